import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y = tanh x; y may be x. */
export function tanhActivation(memory: Memory, y: Pointer, x: Pointer, count: number): void {
  const ys = memory.floats(y, count);
  const xs = memory.floats(x, count);
  for (let i = 0; i < count; i++) ys[i] = Math.tanh(xs[i]);
}

/** dx = dy · (1 - y²); dx may be dy. */
export function tanhActivationGrad(memory: Memory, dx: Pointer, dy: Pointer, y: Pointer, count: number): void {
  const dxs = memory.floats(dx, count);
  const dys = memory.floats(dy, count);
  const ys = memory.floats(y, count);
  for (let i = 0; i < count; i++) dxs[i] = dys[i] * (1 - ys[i] * ys[i]);
}
