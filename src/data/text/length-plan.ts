/** Batches of sequences of similar length, by number of tokens, of sequences, or both. */
import { Philox } from "../../backend/philox.js";
import type { BatchPlan } from "../batch-plan.js";

/** How large a batch may be; at least one of the two is given. */
export interface LengthBatchOptions {
  /** Most tokens in a batch, its padding among them. */
  readonly batchTokens?: number;
  /** Most sequences in a batch. */
  readonly batchSize?: number;
}

/**
 * Plans batches of a set whose sequences have these lengths. In training the sequences are sorted by length, in an order of each epoch's own
 * where lengths are equal, cut into batches that hold as many as fit, and the batches shuffled; every sequence comes once an epoch. As the
 * sorted lengths are always the same, so is the number of batches. Otherwise the order is that of the set.
 *
 * @throws where neither limit is given, or a sequence has more than `batchTokens`
 */
export function lengthPlan(lengths: ArrayLike<number>, limits: LengthBatchOptions, seed: number, training: boolean): BatchPlan {
  const size = lengths.length;
  const inOrder = Int32Array.from({ length: size }, (_, index) => index);
  const sorted = training ? byLength(inOrder, lengths) : inOrder;
  const bounds = cut(sorted, lengths, limits);
  const batches = bounds.length - 1;
  let current: { epoch: number; indices: Int32Array; order: Int32Array } | undefined;
  const orderOf = (epoch: number) => {
    if (current?.epoch !== epoch) {
      const order = Int32Array.from({ length: batches }, (_, batch) => batch);
      const indices = training ? byLength(new Philox(seed, "order", epoch).shuffle(inOrder.slice()), lengths) : inOrder;
      current = { epoch, indices, order: training ? new Philox(seed, "batchOrder", epoch).shuffle(order) : order };
    }
    return current;
  };
  return {
    batchesPerEpoch: batches,
    indices(epoch, position) {
      const { indices, order } = orderOf(epoch);
      const batch = order[position]!;
      return indices.subarray(bounds[batch], bounds[batch + 1]);
    },
  };
}

/** Sorted by length, the order of equal ones kept. */
function byLength(indices: Int32Array, lengths: ArrayLike<number>): Int32Array {
  const counts: number[] = [];
  for (const index of indices) counts[lengths[index]!] = (counts[lengths[index]!] ?? 0) + 1;
  let start = 0;
  const next = Array.from(counts, (count = 0) => (start += count) - count);
  const sorted = new Int32Array(indices.length);
  for (const index of indices) sorted[next[lengths[index]!]!++] = index;
  return sorted;
}

/** Where each batch begins, and the end. */
function cut(indices: Int32Array, lengths: ArrayLike<number>, { batchTokens, batchSize }: LengthBatchOptions): number[] {
  if (batchTokens === undefined && batchSize === undefined) throw new RangeError("batches: batchTokens or batchSize is needed");
  for (const [name, value] of Object.entries({ batchTokens, batchSize })) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) {
      throw new RangeError(`batches: ${name}: expected a whole number from 1, got ${value}`);
    }
  }
  const most = indices.reduce((longest, index) => Math.max(longest, lengths[index]!), 0);
  if (batchTokens !== undefined && most > batchTokens) {
    throw new RangeError(`batches: batchTokens: expected at least ${most}, the tokens of the longest sequence, got ${batchTokens}`);
  }
  const bounds = [0];
  let longest = 0;
  for (const [at, index] of indices.entries()) {
    const length = lengths[index]!;
    const count = at - bounds.at(-1)!;
    const width = Math.max(longest, length);
    const full = count > 0 && (count === batchSize || (batchTokens !== undefined && width * (count + 1) > batchTokens));
    if (full) bounds.push(at);
    longest = full ? length : width;
  }
  if (indices.length > 0) bounds.push(indices.length);
  return bounds;
}
