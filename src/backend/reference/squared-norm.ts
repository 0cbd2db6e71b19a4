import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[0] = sum of x[i]² */
export function squaredNorm(memory: Memory, y: Pointer, x: Pointer, count: number): void {
  const xs = memory.floats(x, count);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += xs[i] * xs[i];
  memory.floats(y, 1)[0] = sum;
}
