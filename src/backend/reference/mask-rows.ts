import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[r] = mask[r] ? token : x[r] */
export function maskRows(memory: Memory, y: Pointer, x: Pointer, token: Pointer, mask: Pointer, rows: number, dim: number): void {
  const ys = memory.floats(y, rows * dim);
  const xs = memory.floats(x, rows * dim);
  const tokens = memory.floats(token, dim);
  const masks = memory.ints(mask, rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < dim; c++) ys[r * dim + c] = masks[r] !== 0 ? tokens[c] : xs[r * dim + c];
  }
}

/** dx[r] = mask[r] ? 0 : dy[r]; dToken += sum of masked dy rows. */
export function maskRowsGrad(memory: Memory, dx: Pointer, dToken: Pointer, dy: Pointer, mask: Pointer, rows: number, dim: number): void {
  const dxs = memory.floats(dx, rows * dim);
  const dTokens = memory.floats(dToken, dim);
  const dys = memory.floats(dy, rows * dim);
  const masks = memory.ints(mask, rows);
  const sums = new Float64Array(dim);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < dim; c++) {
      const masked = masks[r] !== 0;
      dxs[r * dim + c] = masked ? 0 : dys[r * dim + c];
      if (masked) sums[c] += dys[r * dim + c];
    }
  }
  for (let c = 0; c < dim; c++) dTokens[c] += sums[c];
}
