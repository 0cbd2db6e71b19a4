import { expectShape, ShapeError } from "../tensor/shape.js";
import { passGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Elements of what {@link ctc} returns. */
export const CTC_STATS = { loss: 0, infinite: 1 } as const;

/** What {@link ctc} aligns the logits with. */
export interface CtcOptions {
  /** Labels, i32 (batch, maxTarget), each below the number of classes; what lies beyond a target's length isn't read. */
  targets: Tensor;
  /** Labels per sample, i32 (batch). */
  targetLengths: Tensor;
  /** Valid frames per sample, i32 (batch), or null for all. */
  frameLengths: Tensor | null;
  /** The class that stands for no label. */
  blank: number;
}

/**
 * Connectionist temporal classification (Graves et al. 2006) of logits (batch, time, classes). Returns (2): the negative log-likelihood of the
 * targets, summed over the samples and divided by the device scalar `normalizer`, and the number of samples whose target doesn't fit the
 * frames: their loss is infinite, so they count for nothing and get no gradient.
 */
export function ctc(logits: Tensor, { targets, targetLengths, frameLengths, blank }: CtcOptions): Tensor {
  const { device, shape } = logits;
  if (shape.length !== 3) throw new ShapeError(`ctc: logits: expected three axes (batch, time, classes), got ${shape.length}`);
  const [batch, time, classes] = shape;
  const maxTarget = targets.shape[targets.shape.length - 1];
  expectShape("ctc: targets", targets.shape, [batch, maxTarget]);
  expectShape("ctc: targetLengths", targetLengths.shape, [batch]);
  if (frameLengths !== null) expectShape("ctc: frameLengths", frameLengths.shape, [batch]);
  if (!(Number.isInteger(blank) && blank >= 0 && blank < classes)) {
    throw new Error(`ctc: blank: expected a class below ${classes}, got ${blank}`);
  }
  expectType("ctc: targets", targets, "i32");
  expectType("ctc: targetLengths", targetLengths, "i32");
  expectType("ctc: frameLengths", frameLengths, "i32");
  const stats = device.empty([2], "ctc");
  const dLogits = device.empty(shape, "gradient of logits", logits.dtype);
  const sizes = [batch, time, classes, maxTarget, blank] as const;
  const frames = frameLengths?.ptr ?? 0;
  const normalizer = device.scalar("normalizer");
  logits.kernels.ctc(stats.ptr, dLogits.ptr, logits.ptr, targets.ptr, targetLengths.ptr, frames, normalizer, ...sizes);
  record(stats, [logits], () => passGrad(logits, dLogits));
  return stats;
}
