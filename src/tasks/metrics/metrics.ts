/** Metrics by name. Each is of a whole evaluation set: the mean over batches would be another number. */
import { accuracy } from "../labelled-features.js";
import { pearson, spearman } from "./correlation.js";
import { f1, macroF1 } from "./f1.js";
import { matthews } from "./matthews.js";
import { checkPairs } from "./pairs.js";

/** Compares predicted classes or scores with the true ones. */
export type Metric = (predicted: ArrayLike<number>, expected: ArrayLike<number>) => number;

/** All metrics; for classes the first four, for scores the others. */
export const METRICS = {
  accuracy(predicted, expected) {
    checkPairs("accuracy", predicted, expected);
    return accuracy(Int32Array.from(predicted), Int32Array.from(expected));
  },
  f1: (predicted, expected) => f1(predicted, expected),
  macroF1,
  matthews,
  pearson,
  spearman,
} as const satisfies Record<string, Metric>;

/** Name of a metric. */
export type MetricName = keyof typeof METRICS;

/** Several metrics of one evaluation, and their mean, by which models of a task are compared. */
export function measure<N extends MetricName>(
  names: readonly N[],
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
): { readonly values: Record<N, number>; readonly mean: number } {
  const values = Object.fromEntries(names.map((name) => [name, METRICS[name](predicted, expected)])) as Record<N, number>;
  return { values, mean: names.reduce((sum, name) => sum + values[name], 0) / names.length };
}
