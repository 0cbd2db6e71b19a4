import type { PreparedBatch } from "../modalities/prepared-batch.js";
import { type Model, taskOutputs } from "./model.js";

/** The classes of a sample by probability, the likeliest first. */
export interface Prediction {
  /** The sample's file. */
  name: string;
  classes: { label: number; probability: number }[];
}

/** Classifies micro-batches. */
export async function* predict<I>(model: Model<I>, batches: AsyncIterable<PreparedBatch<I>>): AsyncGenerator<Prediction> {
  const { device } = model;
  for await (const batch of batches) {
    const { logits, classes } = await device.scoped(async () => {
      const output = device.noGrad(() => taskOutputs(model, batch.upload(device), { mask: null, train: false }).outputs);
      return { logits: (await output.read()) as Float32Array, classes: output.shape[1] };
    });
    for (const [row, name] of batch.names.entries()) {
      const probabilities = softmax(logits.subarray(row * classes, (row + 1) * classes));
      const ranked = probabilities.map((probability, label) => ({ label, probability }));
      yield { name, classes: ranked.sort((a, b) => b.probability - a.probability || a.label - b.label) };
    }
  }
}

function softmax(logits: Float32Array): number[] {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}
