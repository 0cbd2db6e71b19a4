import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[i] = x[i] */
export function copy(memory: Memory, y: Pointer, x: Pointer, count: number): void {
  memory.floats(y, count).set(memory.floats(x, count));
}
