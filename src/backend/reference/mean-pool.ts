import type { Pointer } from "../kernels.js";
import { type Memory, optionalInts } from "./memory.js";

/** y[b] = mean of x[b, first .. n) with n = lengths ? lengths[b] : tokens; 0 where that range is empty. */
export function meanPool(
  memory: Memory,
  y: Pointer,
  x: Pointer,
  lengths: Pointer,
  batch: number,
  tokens: number,
  dim: number,
  first: number,
): void {
  const ys = memory.floats(y, batch * dim);
  const xs = memory.floats(x, batch * tokens * dim);
  const ends = optionalInts(memory, lengths, batch);
  for (let b = 0; b < batch; b++) {
    const end = ends ? Math.min(tokens, ends[b]) : tokens;
    for (let c = 0; c < dim; c++) {
      let sum = 0;
      for (let t = first; t < end; t++) sum += xs[(b * tokens + t) * dim + c];
      ys[b * dim + c] = end > first ? sum / (end - first) : 0;
    }
  }
}

/** dx overwrite, 0 outside the pooled range. */
export function meanPoolGrad(
  memory: Memory,
  dx: Pointer,
  dy: Pointer,
  lengths: Pointer,
  batch: number,
  tokens: number,
  dim: number,
  first: number,
): void {
  const dxs = memory.floats(dx, batch * tokens * dim);
  const dys = memory.floats(dy, batch * dim);
  const ends = optionalInts(memory, lengths, batch);
  for (let b = 0; b < batch; b++) {
    const end = ends ? Math.min(tokens, ends[b]) : tokens;
    for (let t = 0; t < tokens; t++) {
      const pooled = t >= first && t < end;
      for (let c = 0; c < dim; c++) dxs[(b * tokens + t) * dim + c] = pooled ? dys[b * dim + c] / (end - first) : 0;
    }
  }
}
