import type { HostTensor } from "../checkpoint/safetensors.js";
import type { ConfigLayer } from "../config/resolve.js";
import type { ConfigSchema } from "../config/schema.js";
import type { TrainConfig } from "../config/train.js";
import type { MethodConfig } from "../data2vec/config.js";
import type { Data2VecEncoder } from "../data2vec/encoder.js";
import type { MaskedInput, RegressionHead } from "../data2vec/pretraining.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor/tensor.js";
import type { PreparedBatch } from "./prepared-batch.js";

/** What a configuration is for. */
export type Stage = "pretrain" | "finetune";

/** The sizes that every modality comes with. */
export type PresetName = "tiny" | "small" | "base" | "large";

/** Ready configurations by stage and size. */
export type Presets<C> = Readonly<Record<Stage, Readonly<Record<PresetName, C>>>>;

/** What every run's configuration has. */
export interface RunConfig {
  model: MethodConfig & { dim: number };
  data: object;
  train: TrainConfig;
}

/** What a model can be fine-tuned for: one class a sample, one number a sample, or a sequence of symbols read off the positions. */
export type TaskName = "classify" | "regress" | "ctc";

/** What an encoder is made for, which decides what parts it has. */
export type EncoderRole = "student" | "teacher" | TaskName;

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

/** Files that come with the data a model learns from and are saved beside its weights (a tokenizer): contents by name. */
export type Companions = Readonly<Record<string, string>>;

/** A feed of masked samples without end. */
export interface PretrainingFeed<I> extends Feed<MaskedInput<I>> {
  readonly companions?: Companions;
}

/** A micro-batch with what a task learns from it. */
export interface LabelledInput<I> {
  input: I;
  /** Positions hidden in training, i32 (batch, positions), or null. */
  mask: Tensor | null;
  /** classify: soft targets (batch, classes); regress: values (batch, 1); ctc: symbols, i32 (batch, longest), padded. */
  targets: Tensor;
  /** ctc: symbols of each sample, i32 (batch); null otherwise. */
  targetLengths: Tensor | null;
}

/** What the samples of a batch should give, in host memory. */
export type Expected =
  | { kind: "classes"; labels: Int32Array }
  | { kind: "values"; values: Float32Array }
  | { kind: "transcripts"; texts: readonly string[] };

/** A labelled batch that also knows in host memory what it should give. */
export interface LabelledBatch<I> extends PreparedBatch<LabelledInput<I>> {
  readonly expected: Expected;
}

/** A feed of one pass to judge a model by. */
export type EvaluationFeed<I> = Feed<LabelledInput<I>, LabelledBatch<I>>;

/** Calls back for a sample that can't be read and was replaced. */
export type OnSkip = (skipped: { name: string; error: string }) => void;

/** Labelled data, opened. */
export interface LabelledData<I> {
  /** Names of the outputs: classes by label, symbols of a vocabulary, or the name of the value. */
  outputs: readonly string[];
  /** What models are judged by on this data; null takes what is usual for the task. */
  metrics: readonly string[] | null;
  /** The task of a benchmark that the data is (GLUE's `cola`), by its name; null for any other. It is kept with the model. */
  benchmark: string | null;
  /** Augmented samples with targets, without end. */
  train: Feed<LabelledInput<I>>;
  /** The samples of `train` as they are, one pass: what probes of frozen features learn from. */
  plain: EvaluationFeed<I>;
  /** Where the model is judged: samples as they are, one pass. Null where the data has no such part. */
  evaluation: EvaluationFeed<I> | null;
  companions?: Companions;
}

/** Which labelled data to open. */
export interface LabelledOptions {
  task: TaskName;
  /** Number of labels to train with, the same of each class; all when absent. */
  labels?: number;
  /** Judge on this part of the labelled samples, which are then not trained on, instead of the test split. */
  holdOut?: number;
  /** Names of a trained model's outputs, which fix their order. */
  outputs?: readonly string[];
  /** Folder of the model that learns from it, whose companions read the data; null from scratch. */
  model?: string | null;
  /** The checkpoint that a run goes on from, whose companions come before those of `model`. */
  checkpoint?: string | null;
  /** The benchmark's task that a trained model learned, for data that doesn't say what it is. */
  benchmark?: string | null;
  onSkip: OnSkip;
}

/** How to open data that a trained model is judged by. */
export interface EvaluationOptions {
  task: TaskName;
  /** Names of the model's outputs, which fix their order. */
  outputs: readonly string[];
  /** The benchmark's task that the model learned, for data that doesn't say what it is. */
  benchmark?: string | null;
  onSkip: OnSkip;
}

/** What a trained model is judged by, opened. */
export interface JudgedData<I> {
  /** Null takes what is usual for the task. */
  metrics: readonly string[] | null;
  /** Sets to judge by, each for itself: one without a name, or several (MNLI's `matched` and `mismatched`). */
  parts: readonly { name: string | null; feed: EvaluationFeed<I> }[];
}

/** A model's input as it is, and which positions to mask, i32 (batch, positions), or null. */
export interface RawInput<I> {
  input: I;
  mask: Tensor | null;
}

/** What a head makes of an encoder's output. */
export interface HeadOutputs {
  /** One vector per sample (batch, dim), or null for a head that reads positions. */
  pooled: Tensor | null;
  /** Logits or values: (batch, outputs), or (batch, positions, outputs) for ctc; null without a task. */
  outputs: Tensor | null;
}

/** What stands on top of an encoder. */
export interface TaskHead {
  /** Its parts by the names that their parameters begin with. */
  readonly modules: Readonly<Record<string, Module>>;
  /** Runs over the encoder's output (batch, tokens, dim); `lengths` as in the encoder's input. */
  forward(last: Tensor, lengths: Tensor | null, train: boolean): HeadOutputs;
}

/** What a model folder holds. */
export interface LoadedModel<C, I> {
  /** Architecture and preprocessing of the folder; what only training needs is that of a preset. */
  config: C;
  encoder: Data2VecEncoder<I>;
  head: TaskHead | null;
  /** What its head was trained for; null for a body alone. */
  task: TaskName | null;
  /** Names of the outputs, for a model with a task. */
  outputs: readonly string[] | null;
  /** The benchmark's task that its head learned, where the folder says so. */
  benchmark: string | null;
  /** Parameters by our names. */
  parameters: Map<string, HostTensor>;
  /** What was left out or made up, in words. */
  notes: readonly string[];
}

/** What a model folder is written from. */
export interface SavedModel<C> {
  config: C;
  parameters: Map<string, HostTensor>;
  task: TaskName | null;
  outputs: readonly string[] | null;
  /** The benchmark's task that its head learned, if any. */
  benchmark?: string | null;
  /** Those of the data it learned from. */
  companions?: Companions;
}

/**
 * What a modality adds to data2vec: an encoder, masks, data, and the layout of its checkpoints. `C` is its configuration, `I` what its
 * encoder takes.
 */
export interface Modality<C extends RunConfig, I> {
  readonly name: string;
  /** `model_type` of its model folders. */
  readonly modelType: string;
  /** Every setting of a run. */
  readonly schema: ConfigSchema<C>;
  readonly presets: Presets<C>;
  /** A preset around what a trained model fixes: what only pretraining uses is cut to what fits it. */
  fitPreset(preset: C, fixed: object): C;
  /** Published settings for a known data set, over those of a preset; null where there are none. */
  recipe?(stage: Stage, preset: PresetName, data: string): ConfigLayer | null;
  /** What its models can be fine-tuned for, the first by default. */
  readonly tasks: readonly TaskName[];
  /** The settings that a trained model fixes, by section. */
  fixed(config: C): { model: object };
  /** What two models must share to take the same parameters and compute alike. */
  architecture(config: C): object;
  createEncoder(config: C, role: EncoderRole): Data2VecEncoder<I>;
  createRegressionHead(config: C): (dim: number) => RegressionHead;
  /** A fresh head for a task with so many outputs. */
  createHead(config: C, task: TaskName, outputs: number): TaskHead;
  /**
   * Opens unlabelled training data; masks and augmentation are those of `config`. `checkpoint` is the one that a run goes on from, if any:
   * its companions read the data.
   */
  openPretraining(path: string, config: C, onSkip: OnSkip, checkpoint?: string | null): Promise<PretrainingFeed<I>>;
  openLabelled(path: string, config: C, options: LabelledOptions): Promise<LabelledData<I>>;
  /** Opens what a trained model is judged by: the test split, or all of a data set that isn't divided. */
  openEvaluation(path: string, config: C, options: EvaluationOptions): Promise<JudgedData<I>>;
  /** Inputs from files (images, clips, lines of text), in micro-batches; throws naming the file that can't be read. */
  openFiles(files: readonly string[], config: C): AsyncIterable<PreparedBatch<I>>;
  /** Seconds from one position to the next, for inputs that have a duration. */
  positionSeconds?(config: C): number;
  /** Raw model inputs from a `.safetensors`, under Hugging Face's names. */
  rawInputs(tensors: ReadonlyMap<string, HostTensor>, config: C): PreparedBatch<RawInput<I>>;
  /** Writes a model folder as Hugging Face has it: config.json, model.safetensors, preprocessor or tokenizer. */
  saveModel(folder: string, model: SavedModel<C>): Promise<void>;
  loadModel(folder: string): Promise<LoadedModel<C, I>>;
}
