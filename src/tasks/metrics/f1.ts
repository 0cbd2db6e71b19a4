/** F1: the harmonic mean of precision and recall. */
import { checkPairs } from "./pairs.js";

/**
 * F1 of one class against all others. 0 where the class is neither predicted nor true anywhere.
 *
 * @param positive the class that counts, 1 by default
 */
export function f1(predicted: ArrayLike<number>, expected: ArrayLike<number>, positive = 1): number {
  const count = checkPairs("f1", predicted, expected);
  let hits = 0;
  let marked = 0;
  for (let i = 0; i < count; i++) {
    const [isPredicted, isExpected] = [predicted[i] === positive, expected[i] === positive];
    hits += isPredicted && isExpected ? 1 : 0;
    marked += Number(isPredicted) + Number(isExpected);
  }
  return marked === 0 ? 0 : (2 * hits) / marked;
}

/** Mean of the F1 of every class that is predicted or true somewhere. */
export function macroF1(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  checkPairs("macroF1", predicted, expected);
  const classes = [...new Set([...Array.from(predicted), ...Array.from(expected)])];
  return classes.reduce((sum, label) => sum + f1(predicted, expected, label), 0) / classes.length;
}
