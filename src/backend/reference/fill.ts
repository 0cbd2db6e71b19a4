import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[i] = value */
export function fill(memory: Memory, y: Pointer, count: number, value: number): void {
  memory.floats(y, count).fill(value);
}
