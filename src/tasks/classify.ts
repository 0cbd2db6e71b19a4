import { CROSS_ENTROPY_STATS, crossEntropy } from "../ops/cross-entropy.js";
import { argMaxRows } from "./arg-max.js";
import { judgement } from "./metrics/judgement.js";
import type { Reading, TaskKind } from "./task-kind.js";

/** Classification: cross-entropy of one vector of logits a sample with soft targets. */
export const classify: TaskKind = {
  name: "classify",
  metrics: ["accuracy"],
  statsLength: 2,
  loss: (logits, _lengths, { targets }) => crossEntropy(logits, targets),
  trainingMetrics: (stats, samples) => ({
    loss: stats[CROSS_ENTROPY_STATS.loss],
    accuracy: stats[CROSS_ENTROPY_STATS.correct] / samples,
  }),
  judge: (metrics) => {
    const predicted: number[] = [];
    const labels: number[] = [];
    return {
      add: ({ values, shape }, expected) => {
        if (expected.kind !== "classes") throw new Error(`classify: the data holds ${expected.kind}, not classes`);
        predicted.push(...argMaxRows(values, shape[1]));
        labels.push(...expected.labels);
      },
      result: () => judgement(metrics, predicted, labels),
      predictions: () => ({ predicted, expected: labels }),
    };
  },
  read: ({ values, shape: [samples, classes] }) =>
    Array.from({ length: samples }, (_, row): Reading => {
      const probabilities = softmax(values.subarray(row * classes, (row + 1) * classes));
      const ranked = probabilities.map((probability, label) => ({ label, probability }));
      return { kind: "classes", classes: ranked.sort((a, b) => b.probability - a.probability || a.label - b.label) };
    }),
};

function softmax(logits: Float32Array): number[] {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const exponentials = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}
