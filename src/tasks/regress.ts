import { REGRESSION_STATS, regression } from "../ops/regression.js";
import { judgement } from "./metrics/judgement.js";
import type { Reading, TaskKind } from "./task-kind.js";

/** Regression: squared error of one number a sample. */
export const regress: TaskKind = {
  name: "regress",
  metrics: ["pearson", "spearman"],
  statsLength: 4,
  loss: (values, _lengths, { targets }) => {
    const { device, shape } = values;
    const rows = device.fixedIndices(`rows of ${shape[0]}`, [shape[0]], () => Int32Array.from({ length: shape[0] }, (_, row) => row));
    return regression(values, targets, rows, { beta: 0, scale: 1 });
  },
  trainingMetrics: (stats) => ({ loss: stats[REGRESSION_STATS.loss] }),
  judge: (metrics) => {
    const predicted: number[] = [];
    const expected: number[] = [];
    return {
      add: ({ values }, batch) => {
        if (batch.kind !== "values") throw new Error(`regress: the data holds ${batch.kind}, not values`);
        predicted.push(...values);
        expected.push(...batch.values);
      },
      result: () => judgement(metrics, predicted, expected),
      predictions: () => ({ predicted, expected }),
    };
  },
  read: ({ values }) => Array.from(values, (value): Reading => ({ kind: "value", value })),
};
