/** Number of samples; throws where predictions and truth don't match, there are none, or one isn't a number. */
export function checkPairs(metric: string, predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (predicted.length !== expected.length) throw new Error(`${metric}: ${predicted.length} predictions for ${expected.length} samples`);
  if (predicted.length === 0) throw new Error(`${metric}: there are no samples`);
  for (const values of [predicted, expected]) {
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i])) throw new Error(`${metric}: sample ${i}: expected a finite number, got ${values[i]}`);
    }
  }
  return predicted.length;
}
