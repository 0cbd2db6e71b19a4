/** Correlation of predicted and true scores. */
import { checkPairs } from "./pairs.js";

/** Pearson's correlation: how linear the relation is. 0 where all predictions, or all true scores, are the same. */
export function pearson(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  const count = checkPairs("pearson", predicted, expected);
  // Of a list of equal numbers the mean can be off by rounding, and leave a deviation of nothing but that.
  if (isConstant(predicted) || isConstant(expected)) return 0;
  const [meanX, meanY] = [mean(predicted), mean(expected)];
  let xx = 0;
  let yy = 0;
  let xy = 0;
  for (let i = 0; i < count; i++) {
    const x = predicted[i]! - meanX;
    const y = expected[i]! - meanY;
    xx += x * x;
    yy += y * y;
    xy += x * y;
  }
  const spread = Math.sqrt(xx) * Math.sqrt(yy);
  return spread === 0 ? 0 : Math.min(1, Math.max(-1, xy / spread));
}

/** Spearman's correlation: how monotonic the relation is; equal scores share their mean rank. 0 where {@link pearson} of the ranks is. */
export function spearman(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  checkPairs("spearman", predicted, expected);
  return pearson(ranks(predicted), ranks(expected));
}

/** Rank of each value from 1 on, the mean rank where several are equal. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, index) => index).sort((a, b) => values[a]! - values[b]!);
  const result = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) result[order[i]!] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}
