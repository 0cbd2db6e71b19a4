import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[b, t, c] = mask[b, c] ? 0 : x[b, t, c]; y may be x. */
export function maskChannels(memory: Memory, y: Pointer, x: Pointer, mask: Pointer, batch: number, tokens: number, dim: number): void {
  const ys = memory.floats(y, batch * tokens * dim);
  const xs = memory.floats(x, batch * tokens * dim);
  const masks = memory.ints(mask, batch * dim);
  for (let b = 0; b < batch; b++) {
    for (let e = 0; e < tokens * dim; e++) {
      const at = b * tokens * dim + e;
      ys[at] = masks[b * dim + (e % dim)] !== 0 ? 0 : xs[at];
    }
  }
}
