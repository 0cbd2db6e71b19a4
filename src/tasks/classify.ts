import { CROSS_ENTROPY_STATS, crossEntropy } from "../ops/cross-entropy.js";
import { argMaxRows } from "./arg-max.js";
import { accuracy } from "./labelled-features.js";
import type { TaskKind } from "./task-kind.js";

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
      metrics: () => {
        const values: Record<string, number> = { accuracy: accuracy(Int32Array.from(predicted), Int32Array.from(labels)) };
        return Object.fromEntries(metrics.map((name) => [name, values[name]]));
      },
      predictions: () => ({ predicted, expected: labels }),
    };
  },
};
