import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[i] = a[i] + b[i] */
export function add(memory: Memory, y: Pointer, a: Pointer, b: Pointer, count: number): void {
  const ys = memory.floats(y, count);
  const as = memory.floats(a, count);
  const bs = memory.floats(b, count);
  for (let i = 0; i < count; i++) ys[i] = as[i] + bs[i];
}
