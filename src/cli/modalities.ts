/** The kinds of data that the command line knows: the only place here that names one. */
import path from "node:path";
import { resolveModelFolder } from "../checkpoint/directory.js";
import { CheckpointError } from "../checkpoint/error.js";
import { readJson } from "../checkpoint/files.js";
import { configKeys } from "../config/schema.js";
import type { Modality, RunConfig } from "../modalities/modality.js";
import { speech } from "../modalities/speech/speech.js";
import { text } from "../modalities/text/text.js";
import { vision } from "../modalities/vision/vision.js";
import type { ConfigOptions } from "../train/config.js";

/** A modality as the commands see it. */
export interface ModalityEntry<C extends RunConfig, I> {
  modality: Modality<C, I>;
  /** Data and settings of the demo. */
  demo: DemoSettings;
}

/** What `data2vec demo` runs for a modality. */
export interface DemoSettings {
  /** Folder below the package to pretrain on, and to fine-tune on. */
  data: string;
  labelled: string;
  /** What the data is, for people. */
  about: string;
  /** What the models are judged on, for people: "test images". */
  judgedOn: string;
  labels: number;
  pretraining: ConfigOptions;
  finetuning: ConfigOptions;
}

const MODALITIES = {
  vision: entry({
    modality: vision,
    demo: {
      data: "examples/data/fashion-mnist",
      labelled: "examples/data/fashion-mnist",
      about: "Fashion-MNIST: 10,000 training and 2,000 test images, 28 x 28, 10 kinds of clothing",
      judgedOn: "test images",
      labels: 100,
      pretraining: { preset: "tiny", set: ["train.steps=380"] },
      // Of 5e-4, 1e-3 and 2e-3 the best learning rate on both sides in so few steps.
      finetuning: { preset: "tiny", set: ["train.steps=200", "train.batchSize=32", "train.learningRate=1e-3"] },
    },
  }),
  speech: entry({
    modality: speech,
    demo: {
      data: "examples/data/gcin-voice/train",
      labelled: "examples/data/gcin-voice",
      about: "gcin-voice: 706 training and 217 test recordings of Mandarin syllables by one speaker, 34 finals",
      judgedOn: "test recordings",
      labels: 204,
      pretraining: { preset: "tiny", set: ["train.steps=300"] },
      finetuning: { preset: "tiny", set: ["train.steps=200", "model.maskProb=0"] },
    },
  }),
  text: entry({
    modality: text,
    demo: {
      data: "examples/data/wordnet",
      labelled: "examples/data/wordnet",
      about: "WordNet: 112,174 glosses to read, 15,000 and 5,000 definitions of nouns of ten kinds to learn from and to test on",
      judgedOn: "test definitions",
      labels: 100,
      pretraining: { preset: "tiny", set: ["train.steps=1000"] },
      finetuning: { preset: "tiny", set: ["train.steps=100", "train.learningRate=1e-3"] },
    },
  }),
};

/** A kind of data that can be trained on. */
export type ModalityName = keyof typeof MODALITIES;

/** Names of the modalities; the first is meant where none is given. */
export const MODALITY_NAMES = Object.keys(MODALITIES) as ModalityName[];

/** A name of a modality that was read from a file. */
export function knownModality(name: string): ModalityName {
  const known = MODALITY_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new CheckpointError(`modality: expected ${MODALITY_NAMES.join(" or ")}, got ${JSON.stringify(name)}`);
  return known;
}

/** The modality with a name. */
export function modalityNamed(name: ModalityName): ModalityEntry<RunConfig, unknown> {
  return MODALITIES[name];
}

/** The settings of all modalities. */
export function knownSettings(): Set<string> {
  return new Set(MODALITY_NAMES.flatMap((name) => [...configKeys(MODALITIES[name].modality.schema).keys()]));
}

/** The modality of a trained model, by the `model_type` in its config.json. */
export async function modalityOfModel(model: string): Promise<Modality<RunConfig, unknown>> {
  const { folder } = await resolveModelFolder(model);
  const file = path.join(folder, "config.json");
  const type = ((await readJson(file)) as { model_type?: unknown } | null)?.model_type;
  const modalities = MODALITY_NAMES.map((name) => modalityNamed(name).modality);
  const found = modalities.find(({ modelType }) => modelType === type);
  if (found !== undefined) return found;
  const known = modalities.map(({ modelType }) => modelType);
  throw new CheckpointError(`${file}: model_type: expected ${known.join(" or ")}, got ${JSON.stringify(type) ?? "none"}`);
}

/** Forgets what a modality's configuration and inputs look like: commands only hand them on. */
function entry<C extends RunConfig, I>(value: ModalityEntry<C, I>): ModalityEntry<RunConfig, unknown> {
  return value as unknown as ModalityEntry<RunConfig, unknown>;
}
