/** Matthews' correlation coefficient, for any number of classes (Gorodkin 2004). */
import { checkPairs } from "./pairs.js";

/**
 * Correlation of predicted and true classes: 1 where all are right, 0 for chance, at least -1. 0 where all predictions, or all true classes,
 * are the same.
 */
export function matthews(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  const count = checkPairs("matthews", predicted, expected);
  const predictedOf = new Map<number, number>();
  const expectedOf = new Map<number, number>();
  let correct = 0;
  for (let i = 0; i < count; i++) {
    predictedOf.set(predicted[i]!, (predictedOf.get(predicted[i]!) ?? 0) + 1);
    expectedOf.set(expected[i]!, (expectedOf.get(expected[i]!) ?? 0) + 1);
    correct += predicted[i] === expected[i] ? 1 : 0;
  }
  const sumOfSquares = (counts: Map<number, number>) => [...counts.values()].reduce((sum, each) => sum + each * each, 0);
  const shared = [...predictedOf].reduce((sum, [label, each]) => sum + each * (expectedOf.get(label) ?? 0), 0);
  const spread = Math.sqrt(count * count - sumOfSquares(predictedOf)) * Math.sqrt(count * count - sumOfSquares(expectedOf));
  return spread === 0 ? 0 : (correct * count - shared) / spread;
}
