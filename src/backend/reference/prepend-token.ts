import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[b, 0] = token; y[b, 1 + t] = x[b, t] */
export function prependToken(memory: Memory, y: Pointer, x: Pointer, token: Pointer, batch: number, tokens: number, dim: number): void {
  const ys = memory.floats(y, batch * (tokens + 1) * dim);
  const xs = memory.floats(x, batch * tokens * dim);
  const row = memory.floats(token, dim);
  for (let b = 0; b < batch; b++) {
    ys.set(row, b * (tokens + 1) * dim);
    ys.set(xs.subarray(b * tokens * dim, (b + 1) * tokens * dim), (b * (tokens + 1) + 1) * dim);
  }
}

/** dx[b, t] = dy[b, 1 + t]; dToken += sum over the batch of dy[b, 0]. */
export function prependTokenGrad(
  memory: Memory,
  dx: Pointer,
  dToken: Pointer,
  dy: Pointer,
  batch: number,
  tokens: number,
  dim: number,
): void {
  const dxs = memory.floats(dx, batch * tokens * dim);
  const dTokens = memory.floats(dToken, dim);
  const dys = memory.floats(dy, batch * (tokens + 1) * dim);
  const sums = new Float64Array(dim);
  for (let b = 0; b < batch; b++) {
    const sample = dys.subarray(b * (tokens + 1) * dim, (b + 1) * (tokens + 1) * dim);
    for (let c = 0; c < dim; c++) sums[c] += sample[c];
    dxs.set(sample.subarray(dim), b * tokens * dim);
  }
  for (let c = 0; c < dim; c++) dTokens[c] += sums[c];
}
