import { expectShape } from "../tensor/shape.js";
import { passGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Shape of the regression loss (paper section 3.3, and the specification's table of what each recipe does). */
export interface RegressionOptions {
  /** 0: squared error; otherwise smooth-L1 with this threshold. */
  beta: number;
  /** Factor on the sum over channels: 1 / dim for a mean. */
  scale: number;
}

/** Elements of what {@link regression} returns. */
export const REGRESSION_STATS = { loss: 0, predictionDeviation: 1, targetDeviation: 2, rows: 3 } as const;

/**
 * Regression of targets at masked positions: prediction, target (rows, dim), index i32 (rows), rows with a negative index left out.
 * Returns (4): loss, deviation of prediction and target (mean over channels), number of rows. The loss is divided by the device scalar
 * `normalizer`, the number of masked positions in the whole batch.
 */
export function regression(prediction: Tensor, target: Tensor, index: Tensor, { beta, scale }: RegressionOptions): Tensor {
  const { device } = prediction;
  const [rows, dim] = prediction.shape;
  expectShape("regression: target", target.shape, [rows, dim]);
  expectShape("regression: index", index.shape, [rows]);
  expectType("regression: target", target, "f32");
  expectType("regression: index", index, "i32");
  const stats = device.empty([4], "regression");
  const dPrediction = device.empty([rows, dim], "gradient of prediction", prediction.dtype);
  const normalizer = device.scalar("normalizer");
  prediction.kernels.regression(stats.ptr, dPrediction.ptr, prediction.ptr, target.ptr, index.ptr, normalizer, rows, dim, beta, scale);
  record(stats, [prediction], () => passGrad(prediction, dPrediction));
  return stats;
}
