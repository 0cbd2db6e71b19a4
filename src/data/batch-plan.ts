/** Which samples make up each batch of an epoch: batches of equal count, or of bounded total length. */
import { Philox } from "../backend/philox.js";

/** The batches of every epoch, as a pure function of its number. */
export interface BatchPlan {
  /** Batches in one pass over the data, the same in every epoch. */
  readonly batchesPerEpoch: number;
  /** Indices of the samples of a batch. */
  indices(epoch: number, position: number): Int32Array;
}

/** Batches of `batchSize` samples: in training shuffled every epoch, the last partial batch dropped; else in order, with the rest. */
export function fixedSizePlan(size: number, batchSize: number, seed: number, training: boolean): BatchPlan {
  let order: { epoch: number; indices: Int32Array } | undefined;
  const orderOf = (epoch: number): Int32Array => {
    if (order?.epoch !== epoch) {
      const indices = Int32Array.from({ length: size }, (_, index) => index);
      order = { epoch, indices: training ? new Philox(seed, "order", epoch).shuffle(indices) : indices };
    }
    return order.indices;
  };
  return {
    batchesPerEpoch: training ? Math.floor(size / batchSize) : Math.ceil(size / batchSize),
    indices: (epoch, position) => orderOf(epoch).subarray(position * batchSize, (position + 1) * batchSize),
  };
}
