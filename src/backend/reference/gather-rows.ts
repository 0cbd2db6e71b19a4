import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[i] = index[i] >= 0 ? x[index[i]] : 0 */
export function gatherRows(memory: Memory, y: Pointer, x: Pointer, index: Pointer, count: number, dim: number): void {
  const ys = memory.floats(y, count * dim);
  const indices = memory.ints(index, count);
  const xRows = indices.reduce((a, b) => Math.max(a, b), -1) + 1;
  const xs = memory.floats(x, xRows * dim);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < dim; c++) ys[i * dim + c] = indices[i] >= 0 ? xs[indices[i] * dim + c] : 0;
  }
}

/** dx = 0, then dx[index[i]] += dy[i] where index[i] >= 0. */
export function gatherRowsGrad(memory: Memory, dx: Pointer, dy: Pointer, index: Pointer, count: number, xRows: number, dim: number): void {
  const dys = memory.floats(dy, count * dim);
  const indices = memory.ints(index, count);
  const sums = new Float64Array(xRows * dim);
  for (let i = 0; i < count; i++) {
    if (indices[i] < 0) continue;
    for (let c = 0; c < dim; c++) sums[indices[i] * dim + c] += dys[i * dim + c];
  }
  memory.floats(dx, xRows * dim).set(sums);
}
