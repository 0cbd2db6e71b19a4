import type { EvaluationFeed } from "../modalities/modality.js";
import { CROSS_ENTROPY_STATS, crossEntropy } from "../ops/cross-entropy.js";
import { classLogits } from "./classification.js";
import { accuracy } from "./labelled-features.js";
import type { Model } from "./model.js";

/** How well a classifier does on a data set. */
export interface Evaluation {
  samples: number;
  accuracy: number;
  /** Mean cross-entropy. */
  loss: number;
  /** Predicted and true class of every sample, in the order of the data. */
  predictions: Int32Array;
  labels: Int32Array;
}

/** Runs a model with a classifier once over a data set. */
export async function evaluate<I>(model: Model<I>, feed: EvaluationFeed<I>): Promise<Evaluation> {
  const { device } = model;
  const predictions: number[] = [];
  const labels: number[] = [];
  let loss = 0;
  for await (const batch of feed.batches(0)) {
    device.setScalars({ normalizer: 1 });
    await device.scoped(async () => {
      const { input, targets } = batch.upload(device);
      const [logits, stats] = device.noGrad(() => {
        const outputs = classLogits(model, input, false);
        return [outputs, crossEntropy(outputs, targets)];
      });
      predictions.push(...argMaxRows((await logits.read()) as Float32Array, logits.shape[1]));
      loss += (await stats.read())[CROSS_ENTROPY_STATS.loss];
    });
    labels.push(...batch.labels);
  }
  const samples = labels.length;
  const predicted = Int32Array.from(predictions);
  const expected = Int32Array.from(labels);
  return { samples, accuracy: accuracy(predicted, expected), loss: loss / samples, predictions: predicted, labels: expected };
}

/** Index of the first largest value of each row. */
export function argMaxRows(values: Float32Array, columns: number): number[] {
  return Array.from({ length: values.length / columns }, (_, row) => {
    let best = 0;
    for (let i = 1; i < columns; i++) if (values[row * columns + i] > values[row * columns + best]) best = i;
    return best;
  });
}
