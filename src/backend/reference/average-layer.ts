import type { Pointer } from "../kernels.js";
import { rowStatistics } from "./layer-norm.js";
import type { Memory } from "./memory.js";

const LAYER_NORM = 1;
const INSTANCE_NORM = 2;

/** target = (accumulate ? target : 0) + scale * normalize(x), over the tokens from `first` on of each sample. */
export function averageLayer(
  memory: Memory,
  target: Pointer,
  x: Pointer,
  batch: number,
  tokens: number,
  dim: number,
  first: number,
  normalization: number,
  scale: number,
  eps: number,
  accumulate: number,
): void {
  const targets = memory.floats(target, batch * tokens * dim);
  const xs = memory.floats(x, batch * tokens * dim);
  const factor = Math.fround(scale);
  for (let b = 0; b < batch; b++) {
    const channels = normalization === INSTANCE_NORM ? channelStatistics(xs, b, tokens, dim, first, eps) : [];
    for (let t = 0; t < tokens; t++) {
      const start = (b * tokens + t) * dim;
      const row = normalization === LAYER_NORM ? rowStatistics(xs.subarray(start, start + dim), eps) : undefined;
      for (let c = 0; c < dim; c++) {
        const [mean, rstd] = row ?? channels[c] ?? [0, 1];
        const before = accumulate !== 0 ? targets[start + c] : 0;
        targets[start + c] = t < first ? before : before + factor * (xs[start + c] - mean) * rstd;
      }
    }
  }
}

function channelStatistics(xs: ArrayLike<number>, b: number, tokens: number, dim: number, first: number, eps: number): [number, number][] {
  return Array.from({ length: dim }, (_, c) =>
    rowStatistics(
      Array.from({ length: tokens - first }, (_, t) => xs[(b * tokens + first + t) * dim + c]),
      eps,
    ),
  );
}
