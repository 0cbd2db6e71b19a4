import { expectShape } from "../tensor/shape.js";
import { passGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Elements of what {@link crossEntropy} returns. */
export const CROSS_ENTROPY_STATS = { loss: 0, correct: 1 } as const;

/**
 * Cross-entropy of logits with soft targets, both (rows, classes). Returns (2): loss divided by the device scalar `normalizer`, and the
 * number of rows whose largest logit is at their largest target.
 */
export function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const { device } = logits;
  const [rows, classes] = logits.shape;
  expectShape("crossEntropy: targets", targets.shape, [rows, classes]);
  expectType("crossEntropy: targets", targets, "f32");
  const stats = device.empty([2], "crossEntropy");
  const dLogits = device.empty([rows, classes], "gradient of logits", logits.dtype);
  logits.kernels.crossEntropy(stats.ptr, dLogits.ptr, logits.ptr, targets.ptr, device.scalar("normalizer"), rows, classes);
  record(stats, [logits], () => passGrad(logits, dLogits));
  return stats;
}
