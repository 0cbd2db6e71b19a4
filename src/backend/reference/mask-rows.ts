import type { Pointer } from "../kernels.js";
import { type Memory, optionalFloats } from "./memory.js";

/** y[r] = mask[r] ? token : x[r]; zeros without a token. */
export function maskRows(memory: Memory, y: Pointer, x: Pointer, token: Pointer, mask: Pointer, rows: number, dim: number): void {
  const ys = memory.floats(y, rows * dim);
  const xs = memory.floats(x, rows * dim);
  const tokens = optionalFloats(memory, token, dim);
  const masks = memory.ints(mask, rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < dim; c++) ys[r * dim + c] = masks[r] === 0 ? xs[r * dim + c] : tokens ? tokens[c] : 0;
  }
}

/** dx[r] = mask[r] ? 0 : dy[r]; dToken += sum of masked dy rows; either may be absent. */
export function maskRowsGrad(memory: Memory, dx: Pointer, dToken: Pointer, dy: Pointer, mask: Pointer, rows: number, dim: number): void {
  const dxs = optionalFloats(memory, dx, rows * dim);
  const dTokens = optionalFloats(memory, dToken, dim);
  const dys = memory.floats(dy, rows * dim);
  const masks = memory.ints(mask, rows);
  const sums = new Float64Array(dim);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < dim; c++) {
      const masked = masks[r] !== 0;
      if (dxs) dxs[r * dim + c] = masked ? 0 : dys[r * dim + c];
      if (masked) sums[c] += dys[r * dim + c];
    }
  }
  if (dTokens) for (let c = 0; c < dim; c++) dTokens[c] += sums[c];
}
