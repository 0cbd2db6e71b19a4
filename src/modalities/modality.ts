import type { Data2VecEncoder } from "../data2vec/encoder.js";
import type { MaskedInput, RegressionHead, TargetConfig } from "../data2vec/pretraining.js";
import type { EmaSchedule } from "../data2vec/teacher.js";
import type { Tensor } from "../tensor/tensor.js";
import type { PreparedBatch } from "./prepared-batch.js";

/** A micro-batch with soft targets (batch, classes). */
export interface LabelledInput<I> {
  input: I;
  targets: Tensor;
}

/** A source of micro-batches that is a pure function of their number, so that a run can go on anywhere. */
export interface Feed<T> {
  /** Samples of the data set. */
  readonly size: number;
  /** Micro-batches in one pass over the data. */
  readonly batchesPerEpoch: number;
  /** Micro-batches from the given one on: for training without end, for evaluation one pass. */
  batches(from: number): AsyncIterable<PreparedBatch<T>>;
  close(): Promise<void>;
}

/** A batch that also knows its samples' classes in host memory. */
export interface LabelledBatch<I> extends PreparedBatch<LabelledInput<I>> {
  readonly labels: Int32Array;
}

/** What a model is built for: its regression head and mask token, or a classifier on top. */
export type Use = "pretraining" | "classification";

/** Calls back for a sample that can't be read and was replaced. */
export type OnSkip = (skipped: { name: string; error: string }) => void;

/**
 * What a modality adds to data2vec: an encoder, masks and data. `C` is its configuration, `I` what its encoder takes.
 */
export interface Modality<C, I> {
  readonly name: string;
  createEncoder(config: C, use: Use): Data2VecEncoder<I>;
  createRegressionHead(config: C): (dim: number) => RegressionHead;
  targetConfig(config: C): TargetConfig;
  emaSchedule(config: C): EmaSchedule;
  /** Opens unlabelled training data; masks and augmentation are those of `config`. */
  openPretraining(path: string, config: C, onSkip: OnSkip): Promise<Feed<MaskedInput<I>>>;
}
