import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

const VARIANCE_EPSILON = 1e-6;

/** The regression loss over the rows with index >= 0, its gradient, and the deviations of prediction and target over those rows. */
export function regression(
  memory: Memory,
  stats: Pointer,
  dPrediction: Pointer,
  prediction: Pointer,
  target: Pointer,
  index: Pointer,
  normalizer: Pointer,
  rows: number,
  dim: number,
  beta: number,
  scale: number,
): void {
  const statistics = memory.floats(stats, 4);
  const dPredictions = memory.floats(dPrediction, rows * dim);
  const predictions = memory.floats(prediction, rows * dim);
  const targets = memory.floats(target, rows * dim);
  const indices = memory.ints(index, rows);
  const factor = Math.fround(scale) / memory.floats(normalizer, 1)[0];
  const bend = Math.fround(beta);
  const used = Array.from(indices.keys()).filter((r) => indices[r] >= 0);
  let loss = 0;
  dPredictions.fill(0);
  for (const r of used) {
    for (let at = r * dim; at < (r + 1) * dim; at++) {
      const z = predictions[at] - targets[at];
      const quadratic = bend === 0 || Math.abs(z) < bend;
      const curvature = bend === 0 ? 2 : 1 / bend;
      loss += quadratic ? (curvature * z * z) / 2 : Math.abs(z) - bend / 2;
      dPredictions[at] = factor * (quadratic ? curvature * z : Math.sign(z));
    }
  }
  statistics[0] = factor * loss;
  statistics[1] = meanDeviation(predictions, used, dim);
  statistics[2] = meanDeviation(targets, used, dim);
  statistics[3] = used.length;
}

/** The mean over channels of sqrt(unbiased variance over the rows + 1e-6). */
function meanDeviation(values: ArrayLike<number>, rows: number[], dim: number): number {
  if (rows.length < 2) return 0;
  let total = 0;
  for (let c = 0; c < dim; c++) {
    let mean = 0;
    for (const r of rows) mean += values[r * dim + c] / rows.length;
    let squares = 0;
    for (const r of rows) squares += (values[r * dim + c] - mean) ** 2;
    total += Math.sqrt(squares / (rows.length - 1) + VARIANCE_EPSILON);
  }
  return total / dim;
}
