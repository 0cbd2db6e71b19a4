import type { Expected, LabelledInput, TaskName } from "../modalities/modality.js";
import type { Tensor } from "../tensor/tensor.js";

/** What a model's head gave for a batch, in host memory. */
export interface HostOutputs {
  values: Float32Array;
  shape: readonly number[];
  /** Valid positions per sample, or null for all. */
  lengths: Int32Array | null;
}

/** A class by its label, a value, or a transcript. */
export type Answer = number | string;

/** How good a model is on a whole set. */
export interface Judgement {
  metrics: Record<string, number>;
  score: { name: string; value: number };
}

/** Collects what a model gives over a whole set, and judges it. */
export interface Judge {
  add(outputs: HostOutputs, expected: Expected): void;
  /** Values by the name of the metric, and the one that models are compared by. */
  result(): Judgement;
  /** What the model said and what the data says of each sample, in the order of the data. */
  predictions(): { predicted: readonly Answer[]; expected: readonly Answer[] };
}

/** What a model says of one sample. */
export type Reading =
  /** Classes by probability, the likeliest first. */
  | { kind: "classes"; classes: { label: number; probability: number }[] }
  | { kind: "value"; value: number }
  /** Words with the positions that they lie on, the end excluded. */
  | { kind: "transcript"; text: string; words: { word: string; start: number; end: number }[] };

/** What a task is to training and evaluation, whatever the modality. */
export interface TaskKind {
  readonly name: TaskName;
  /** Metrics that models are judged by when the data doesn't say. */
  readonly metrics: readonly string[];
  /** Length of what {@link loss} returns; element 0 is the loss. */
  readonly statsLength: number;
  /** The loss of a head's outputs, divided by the device scalar `normalizer`. */
  loss(outputs: Tensor, lengths: Tensor | null, batch: LabelledInput<unknown>): Tensor;
  /** Values for people from the stats of a step over so many samples. */
  trainingMetrics(stats: Float32Array, samples: number): Record<string, number>;
  /** @param metrics by name */
  judge(metrics: readonly string[]): Judge;
  /** What a batch of outputs says of each sample. */
  read(outputs: HostOutputs): Reading[];
}

/** Metrics of which a smaller value is better. */
const ERRORS: ReadonlySet<string> = new Set(["wer", "cer"]);

/** Whether `value` of a metric is better than `other`. */
export function isBetter(metric: string, value: number, other: number): boolean {
  return ERRORS.has(metric) ? value < other : value > other;
}
