import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[b, t] = x[b, t] + position[t] */
export function addPosition(memory: Memory, y: Pointer, x: Pointer, position: Pointer, batch: number, tokens: number, dim: number): void {
  const perSample = tokens * dim;
  const ys = memory.floats(y, batch * perSample);
  const xs = memory.floats(x, batch * perSample);
  const positions = memory.floats(position, perSample);
  for (let b = 0; b < batch; b++) {
    for (let e = 0; e < perSample; e++) ys[b * perSample + e] = xs[b * perSample + e] + positions[e];
  }
}

/** dPosition[t] += sum over the batch of dy[b, t] */
export function addPositionGrad(memory: Memory, dPosition: Pointer, dy: Pointer, batch: number, tokens: number, dim: number): void {
  const perSample = tokens * dim;
  const dPositions = memory.floats(dPosition, perSample);
  const dys = memory.floats(dy, batch * perSample);
  for (let e = 0; e < perSample; e++) {
    let sum = 0;
    for (let b = 0; b < batch; b++) sum += dys[b * perSample + e];
    dPositions[e] += sum;
  }
}
