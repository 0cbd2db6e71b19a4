import { expectShape } from "../tensor/shape.js";
import { passGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Binary cross-entropy of sigmoid(logits) with targets in [0, 1], same shape, divided by the device scalar `normalizer`; shape (1). */
export function binaryCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const { device } = logits;
  expectShape("binaryCrossEntropy: targets", targets.shape, logits.shape);
  expectType("binaryCrossEntropy: targets", targets, "f32");
  const loss = device.empty([1], "binaryCrossEntropy");
  const dLogits = device.empty(logits.shape, "gradient of logits", logits.dtype);
  logits.kernels.binaryCrossEntropy(loss.ptr, dLogits.ptr, logits.ptr, targets.ptr, device.scalar("normalizer"), logits.count);
  record(loss, [logits], () => passGrad(logits, dLogits));
  return loss;
}
