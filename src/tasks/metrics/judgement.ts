import type { Judgement } from "../task-kind.js";
import { METRICS, type MetricName, measure } from "./metrics.js";

/**
 * Metrics of a whole set by name, and the score: the one metric, or the mean of several, as GLUE has it.
 *
 * @throws where a name is none of a metric
 */
export function judgement(names: readonly string[], predicted: ArrayLike<number>, expected: ArrayLike<number>): Judgement {
  const unknown = names.find((name) => !Object.hasOwn(METRICS, name));
  if (unknown !== undefined) throw new Error(`metric ${unknown}: expected ${Object.keys(METRICS).join(", ")}`);
  const { values, mean } = measure(names as readonly MetricName[], predicted, expected);
  return { metrics: values, score: names.length === 1 ? { name: names[0], value: mean } : { name: "mean", value: mean } };
}
