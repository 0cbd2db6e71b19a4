import type { ParameterStore } from "../nn/parameter-store.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";

/** A model with its loss, as the trainer sees it. */
export interface Task<I> {
  readonly device: Device;
  /** What is trained. */
  readonly store: ParameterStore;
  /** Transformer blocks, for layer-wise learning-rate decay. */
  readonly depth: number;
  /** Length of what {@link loss} returns. */
  readonly statsLength: number;
  /** Records the forward pass of one micro-batch. Element 0 is the loss; the device scalar `normalizer` holds the weight of the whole batch. */
  loss(input: I): Tensor;
  /** Values for people from the stats of a step, summed over `passes` micro-batches of `samples` in all. */
  metrics(stats: Float32Array, passes: number, samples: number): Record<string, number>;
  /** Called before update number `update` (from 1), to set per-step values on the device. */
  beforeUpdate(update: number): void;
  /** Whether a part of the store (by the name of its module there) learns in the update to come. */
  trains(part: string): boolean;
  /** Called after the optimizer's step, as a part of the captured step. */
  afterUpdate(): void;
}
