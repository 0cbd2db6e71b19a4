import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** Binary cross-entropy of sigmoid(logit) with target, and its gradient. */
export function binaryCrossEntropy(
  memory: Memory,
  stats: Pointer,
  dLogits: Pointer,
  logits: Pointer,
  targets: Pointer,
  normalizer: Pointer,
  count: number,
): void {
  const dLogit = memory.floats(dLogits, count);
  const logit = memory.floats(logits, count);
  const target = memory.floats(targets, count);
  const divisor = memory.floats(normalizer, 1)[0];
  let loss = 0;
  for (let i = 0; i < count; i++) {
    const z = logit[i];
    loss += Math.max(z, 0) - z * target[i] + Math.log1p(Math.exp(-Math.abs(z)));
    dLogit[i] = (1 / (1 + Math.exp(-z)) - target[i]) / divisor;
  }
  memory.floats(stats, 1)[0] = loss / divisor;
}
