/** Batches of samples of unequal length, bounded by the padded rectangle: number of samples times the longest. */
import { Philox } from "../backend/philox.js";
import type { BatchPlan } from "./batch-plan.js";

/** What bounds a batch. */
export interface LengthLimits {
  /** Length of each sample as it will be in a batch; 0 where it isn't known. None is above `budget`. */
  readonly lengths: ArrayLike<number>;
  /** Largest rectangle. */
  readonly budget: number;
  /** Most samples. */
  readonly batchSize: number;
}

/** Buckets in which lengths differ by a factor of at most 2. */
const BUCKETS_PER_OCTAVE = 8;
/** Samples that a replacement is drawn from: at most, and at least. */
const NEIGHBOURS = 64;
const MIN_NEIGHBOURS = 8;

/**
 * Training batches of similar lengths: samples in descending order of their bucket of lengths (9 % apart) and at random within it, cut into
 * batches as large as the limits allow, the batches shuffled; another order every epoch. Every sample comes once an epoch, and the number and
 * sizes of the batches are the same in all of them, because a batch is bounded by its bucket's longest.
 */
export function lengthBucketPlan(limits: LengthLimits, seed: number): BatchPlan {
  const bounds = Float64Array.from({ length: limits.lengths.length }, (_, index) => bucketBound(limits, index));
  const ordered = bounds.slice().sort().reverse();
  const starts = cut(ordered, limits);
  let epochOrder: { epoch: number; indices: Int32Array; batches: Int32Array } | undefined;
  const orderOf = (epoch: number) => {
    if (epochOrder?.epoch !== epoch) {
      const indices = new Philox(seed, "order", epoch).shuffle(Int32Array.from(bounds, (_, index) => index));
      // The sort is stable.
      indices.sort((a, b) => bounds[b]! - bounds[a]!);
      const batches = new Philox(seed, "batchOrder", epoch).shuffle(Int32Array.from(starts, (_, batch) => batch));
      epochOrder = { epoch, indices, batches };
    }
    return epochOrder;
  };
  return {
    batchesPerEpoch: starts.length,
    indices: (epoch, position) => {
      const { indices, batches } = orderOf(epoch);
      const batch = batches[position]!;
      return indices.subarray(starts[batch], starts[batch + 1] ?? indices.length);
    },
  };
}

/** One pass in order, each batch as large as the limits allow. */
export function sequentialPlan(limits: LengthLimits): BatchPlan {
  const size = limits.lengths.length;
  const starts = cut(limits.lengths, limits);
  return {
    batchesPerEpoch: starts.length,
    indices: (_, position) => {
      const start = starts[position]!;
      return Int32Array.from({ length: (starts[position + 1] ?? size) - start }, (_, i) => start + i);
    },
  };
}

/**
 * Chooses a sample to take the place of another: of known length, no longer than the other's bucket allows, and about as long. In place of the
 * shortest it may be another of the shortest few.
 *
 * @returns a function of the sample and a random stream
 */
export function lengthReplacement(limits: LengthLimits): (index: number, random: Philox) => number {
  const bounds = Float64Array.from({ length: limits.lengths.length }, (_, index) => bucketBound(limits, index));
  const ascending = Int32Array.from(bounds, (_, index) => index)
    .filter((index) => bounds[index]! > 0)
    .sort((a, b) => bounds[a]! - bounds[b]!);
  if (ascending.length === 0) return (_, random) => random.int(bounds.length);
  const shortest = bounds[ascending[0]!]!;
  return (index, random) => {
    const bound = Math.max(bounds[index]!, shortest);
    // The first that is longer.
    let end = ascending.length;
    for (let low = 0; low < end; ) {
      const middle = (low + end) >> 1;
      if (bounds[ascending[middle]!]! > bound) end = middle;
      else low = middle + 1;
    }
    end = Math.max(end, Math.min(MIN_NEIGHBOURS, ascending.length));
    const start = Math.max(0, end - NEIGHBOURS);
    return ascending[start + random.int(end - start)]!;
  };
}

/** Where the batches begin. */
function cut(lengths: ArrayLike<number>, { budget, batchSize }: LengthLimits): number[] {
  const starts: number[] = [];
  let count = batchSize;
  let longest = 0;
  for (let index = 0; index < lengths.length; index++) {
    longest = Math.max(longest, lengths[index]!);
    if (count === batchSize || longest * (count + 1) > budget) {
      starts.push(index);
      count = 0;
      longest = lengths[index]!;
    }
    count += 1;
  }
  return starts;
}

/** The longest of the bucket that a sample's length falls into. */
function bucketBound({ lengths, budget }: LengthLimits, index: number): number {
  const length = lengths[index]!;
  if (length === 0) return 0;
  const bucket = Math.ceil(BUCKETS_PER_OCTAVE * Math.log2(length));
  return Math.min(budget, Math.max(length, Math.ceil(2 ** (bucket / BUCKETS_PER_OCTAVE))));
}
