import type { HostTensor } from "../checkpoint/safetensors.js";
import type { TrainConfig } from "../config/train.js";
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
export interface Feed<T, B extends PreparedBatch<T> = PreparedBatch<T>> {
  /** Samples of the data set. */
  readonly size: number;
  /** Micro-batches in one pass over the data. */
  readonly batchesPerEpoch: number;
  /** Micro-batches from the given one on: for training without end, for evaluation one pass. */
  batches(from: number): AsyncIterable<B>;
  close(): Promise<void>;
}

/** A feed of one pass whose batches know their classes. */
export type EvaluationFeed<I> = Feed<LabelledInput<I>, LabelledBatch<I>>;

/** A batch that also knows its samples' classes in host memory. */
export interface LabelledBatch<I> extends PreparedBatch<LabelledInput<I>> {
  readonly labels: Int32Array;
}

/** How a sample becomes one vector: the normalised mean of its positions, the first token as it is, or not at all. */
export type Pooling = "mean" | "token" | "none";

/** Parts that an encoder has or not, by what it is used for. */
export interface EncoderParts {
  /** A learned vector for masked positions. */
  maskToken: boolean;
  /** A norm after the last block. */
  finalNorm: boolean;
}

/** A pretrained encoder: it can be masked, and its output is normalised. */
export const PRETRAINING_PARTS: EncoderParts = { maskToken: true, finalNorm: true };

/** The encoder of a classifier, which normalises after pooling. */
export const CLASSIFICATION_PARTS: EncoderParts = { maskToken: false, finalNorm: false };

/** Calls back for a sample that can't be read and was replaced. */
export type OnSkip = (skipped: { name: string; error: string }) => void;

/** Labelled data, opened. */
export interface LabelledData<I> {
  /** Names of the classes, by label. */
  classes: readonly string[];
  /** Augmented samples with soft targets, without end. */
  train: Feed<LabelledInput<I>>;
  /** The samples of `train` as they are, one pass: what probes of frozen features learn from. */
  plain: EvaluationFeed<I>;
  /** Where the model is judged: samples as they are, one pass. Null where the data has no such part. */
  evaluation: EvaluationFeed<I> | null;
}

/** Which labelled data to open. */
export interface LabelledOptions {
  /** Number of labels to train with, the same of each class; all when absent. */
  labels?: number;
  /** Judge on this part of the labelled samples, which are then not trained on, instead of the test split. */
  holdOut?: number;
  /** Class names of a trained model, which fix the order of labels. */
  classes?: readonly string[];
  onSkip: OnSkip;
}

/** How to open data that a trained classifier is judged by. */
export interface EvaluationOptions {
  /** Class names of the model, which fix the order of labels. */
  classes: readonly string[];
  onSkip: OnSkip;
}

/** A model's input as it is, and which positions to mask, i32 (batch, positions), or null. */
export interface RawInput<I> {
  input: I;
  mask: Tensor | null;
}

/** What a model folder holds. */
export interface LoadedModel<C> {
  /** Architecture and preprocessing of the folder; what only training needs is that of a preset. */
  config: C;
  encoder: EncoderParts;
  /** How the model reduces a sample to one vector. */
  pooling: Pooling;
  /** Names of the classes, for a model with a classifier. */
  classes: readonly string[] | null;
  /** Parameters by our names. */
  parameters: Map<string, HostTensor>;
  /** What was left out or made up, in words. */
  notes: readonly string[];
}

/**
 * What a modality adds to data2vec: an encoder, masks, data, and the layout of its checkpoints. `C` is its configuration, `I` what its
 * encoder takes.
 */
export interface Modality<C extends { train: TrainConfig }, I> {
  readonly name: string;
  /** What a trained model fixes of a configuration: two models with the same take the same parameters and compute alike. */
  architecture(config: C): object;
  createEncoder(config: C, parts: EncoderParts): Data2VecEncoder<I>;
  createRegressionHead(config: C): (dim: number) => RegressionHead;
  targetConfig(config: C): TargetConfig;
  emaSchedule(config: C): EmaSchedule;
  /** Opens unlabelled training data; masks and augmentation are those of `config`. */
  openPretraining(path: string, config: C, onSkip: OnSkip): Promise<Feed<MaskedInput<I>>>;
  openLabelled(path: string, config: C, options: LabelledOptions): Promise<LabelledData<I>>;
  /** Opens what a trained classifier is judged by: the test split, or all of a data set that isn't divided. */
  openEvaluation(path: string, config: C, options: EvaluationOptions): Promise<EvaluationFeed<I>>;
  /** Inputs from files (images, clips, lines), in micro-batches; throws naming the file that can't be read. */
  openFiles(files: readonly string[], config: C): AsyncIterable<PreparedBatch<I>>;
  /** Raw model inputs from a `.safetensors`, under Hugging Face's names. */
  rawInputs(tensors: ReadonlyMap<string, HostTensor>, config: C): PreparedBatch<RawInput<I>>;
  /** Writes a model folder as Hugging Face has it: config.json, model.safetensors, preprocessor. */
  saveModel(folder: string, config: C, parameters: Map<string, HostTensor>, classes: readonly string[] | null): Promise<void>;
  loadModel(folder: string): Promise<LoadedModel<C>>;
}
