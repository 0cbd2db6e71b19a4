/** The tasks of GLUE (Wang et al. 2018): their files, classes and metrics, and data2vec's settings for fine-tuning on them. */
import path from "node:path";
import type { LabelledText } from "./labelled-text.js";
import { type LabelledTextOptions, openLabelledText, type TextColumns } from "./open-labelled-text.js";

/** How data2vec's text model is fine-tuned on a task (fairseq's configuration for version 1; Baevski et al. 2022, section 4.3). */
export interface GlueRecipe {
  readonly learningRate: number;
  /** Updates, and those of them in which the learning rate rises to its peak; it falls linearly to 0 afterwards. */
  readonly steps: number;
  readonly warmupSteps: number;
  readonly batchSize: number;
}

/** A task of GLUE. */
export interface GlueTask {
  readonly title: string;
  /** In the order of their labels in Hugging Face's copies; null for scores. */
  readonly classes: readonly string[] | null;
  /** Scores are divided by this for the model. */
  readonly scoreScale: number;
  /** Measured over the whole set; a task's result is their mean. */
  readonly metrics: readonly ("accuracy" | "f1" | "matthews" | "pearson" | "spearman")[];
  /** Sets to evaluate on, each with the names its file may have. */
  readonly evaluation: readonly (readonly string[])[];
  readonly recipe: GlueRecipe;
  readonly files: Pick<LabelledTextOptions, "header" | "skipInvalid"> & { readonly columns: TextColumns };
}

/** The evaluation sets of a task: the name to open each by, and what it is called among several (MNLI's `matched`), else null. */
export function glueEvaluations({ evaluation }: GlueTask): { part: string; name: string | null }[] {
  return evaluation.map(([part]) => ({ part: part!, name: part!.split("_")[1] ?? null }));
}

/** Settings that all tasks share. */
export const GLUE_COMMON = {
  optimizer: { beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.1 },
  dropout: 0.1,
  attentionDropout: 0.1,
  headDropout: 0,
  maxLength: 512,
  maxEpochs: 10,
  /** The paper's sweep; one rate is chosen for all tasks. */
  learningRates: [1e-5, 2e-5, 3e-5, 4e-5],
} as const;

const DEV = [["dev", "validation"]] as const;

/** All tasks but WNLI, which the paper leaves out. */
export const GLUE_TASKS = {
  cola: {
    title: "CoLA: is a sentence grammatical?",
    classes: ["unacceptable", "acceptable"],
    scoreScale: 1,
    metrics: ["matthews"],
    evaluation: DEV,
    recipe: { learningRate: 1e-5, steps: 5336, warmupSteps: 320, batchSize: 16 },
    files: {
      columns: { text: "sentence", pair: null, target: "label" },
      header: ["source", "label", "mark", "sentence"],
    },
  },
  mnli: {
    title: "MNLI: does a premise entail a hypothesis?",
    classes: ["entailment", "neutral", "contradiction"],
    scoreScale: 1,
    metrics: ["accuracy"],
    evaluation: [
      ["dev_matched", "validation_matched"],
      ["dev_mismatched", "validation_mismatched"],
    ],
    recipe: { learningRate: 1e-5, steps: 123_873, warmupSteps: 7432, batchSize: 32 },
    files: { columns: { text: ["sentence1", "premise"], pair: ["sentence2", "hypothesis"], target: ["gold_label", "label"] } },
  },
  mrpc: {
    title: "MRPC: are two sentences paraphrases?",
    classes: ["not_equivalent", "equivalent"],
    scoreScale: 1,
    metrics: ["accuracy", "f1"],
    evaluation: DEV,
    recipe: { learningRate: 1e-5, steps: 2296, warmupSteps: 137, batchSize: 16 },
    files: { columns: { text: ["#1 String", "sentence1"], pair: ["#2 String", "sentence2"], target: ["Quality", "label"] } },
  },
  qnli: {
    title: "QNLI: does a sentence answer a question?",
    classes: ["entailment", "not_entailment"],
    scoreScale: 1,
    metrics: ["accuracy"],
    evaluation: DEV,
    recipe: { learningRate: 1e-5, steps: 33_112, warmupSteps: 1986, batchSize: 32 },
    files: { columns: { text: "question", pair: "sentence", target: "label" } },
  },
  qqp: {
    title: "QQP: do two questions ask the same?",
    classes: ["not_duplicate", "duplicate"],
    scoreScale: 1,
    metrics: ["accuracy", "f1"],
    evaluation: DEV,
    recipe: { learningRate: 1e-5, steps: 113_272, warmupSteps: 28_318, batchSize: 32 },
    files: {
      columns: { text: "question1", pair: "question2", target: ["is_duplicate", "label"] },
      // Some rows of the published files are broken in two.
      skipInvalid: true,
    },
  },
  rte: {
    title: "RTE: does a text entail a hypothesis?",
    classes: ["entailment", "not_entailment"],
    scoreScale: 1,
    metrics: ["accuracy"],
    evaluation: DEV,
    recipe: { learningRate: 2e-5, steps: 2036, warmupSteps: 122, batchSize: 16 },
    files: { columns: { text: "sentence1", pair: "sentence2", target: "label" } },
  },
  sst2: {
    title: "SST-2: is a review positive?",
    classes: ["negative", "positive"],
    scoreScale: 1,
    metrics: ["accuracy"],
    evaluation: DEV,
    recipe: { learningRate: 1e-5, steps: 20_935, warmupSteps: 1256, batchSize: 32 },
    files: { columns: { text: "sentence", pair: null, target: "label" } },
  },
  stsb: {
    title: "STS-B: how alike are two sentences, from 0 to 5?",
    classes: null,
    scoreScale: 5,
    metrics: ["pearson", "spearman"],
    evaluation: DEV,
    recipe: { learningRate: 2e-5, steps: 3598, warmupSteps: 214, batchSize: 16 },
    files: { columns: { text: "sentence1", pair: "sentence2", target: ["score", "label"] } },
  },
} as const satisfies Record<string, GlueTask>;

/** Name of a task of GLUE. */
export type GlueName = keyof typeof GLUE_TASKS;

/** The task of that name, however it is written (`SST-2`, `sst2`), or null. */
export function glueName(text: unknown): GlueName | null {
  const name = typeof text === "string" ? text.toLowerCase().replace(/[^a-z0-9]/g, "") : "";
  return Object.hasOwn(GLUE_TASKS, name) ? (name as GlueName) : null;
}

/** The task that a folder is named after, or null. */
export function glueFolder(place: string): GlueName | null {
  return glueName(path.basename(path.resolve(place)));
}

/** A task by name, with the types of all. */
export function glueTask(name: GlueName): GlueTask {
  return GLUE_TASKS[name];
}

/**
 * Opens a part of a task from its published files (`train.tsv`, `dev.tsv`) or Hugging Face's copies (`train-00000-of-00001.parquet`).
 *
 * @param part "train", "evaluation" (the first evaluation set), or the name of a file without its extension, such as "dev_mismatched", whose
 *   other names are taken too; any but those for training and evaluation is read without labels, which GLUE keeps to itself
 * @throws where the files are missing or aren't the task's
 */
export function openGlue(folder: string, name: GlueName, part: string): Promise<LabelledText> {
  const { classes, evaluation, files } = glueTask(name);
  const kind = classes === null ? "regression" : "classification";
  const split = part === "evaluation" ? evaluation[0]! : (evaluation.find((names) => names.includes(part)) ?? [part]);
  const labelled = part === "train" || evaluation.flat().includes(split[0]!);
  const columns = labelled ? files.columns : { ...files.columns, target: null };
  return openLabelledText(folder, { ...files, columns, kind, classes, split });
}
