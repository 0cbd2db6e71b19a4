/** `data2vec evaluate`: how good a model is on labelled data, by its classifier or by its frozen features. */
import { type Command, Option } from "commander";
import type { LabelledData, Modality, OnSkip, RunConfig, TaskName } from "../modalities/modality.js";
import { type Evaluation, evaluate } from "../tasks/evaluate.js";
import { accuracy, encoderFeatures } from "../tasks/labelled-features.js";
import { type InferenceModel, loadModel } from "../tasks/load-model.js";
import { nearestNeighbours } from "../tasks/nearest-neighbours.js";
import { taskKind } from "../tasks/task-kinds.js";
import { fitLinearProbe } from "../train/linear-probe.js";
import { readSearch, SEARCH_HELP, type SearchOptions, searchFlag, withSearch } from "./ctc.js";
import { UsageError } from "./failure.js";
import { modalityOfModel } from "./modalities.js";
import { type DeviceOptions, fraction, integer, needed, openDevice, withDevice, withJson } from "./options.js";
import { formatCount, formatMetrics, print, say } from "./terminal.js";

interface Options extends DeviceOptions, SearchOptions {
  model?: string;
  data?: string;
  method: "head" | "linear" | "knn";
  k: number;
  labels?: number;
  holdOut?: number;
  seed: number;
  json: boolean;
}

/** What came out: `loss` of the model's own head, `labels` that a probe learned from, `k` neighbours. */
interface Result {
  method: Options["method"];
  samples: number;
  /** Values by the name of the metric. */
  metrics: Record<string, number>;
  loss?: number;
  labels?: number;
  k?: number;
}

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .option("--model <folder>", "a run, or a folder as Hugging Face saves it")
    .option("--data <path>", "labelled data")
    .addOption(
      new Option("--method <method>", "what the model was fine-tuned for, or its frozen features: linear probe, k-nearest neighbours")
        .choices(["head", "linear", "knn"])
        .default("head"),
    )
    .option("--k <count>", "neighbours, for knn", integer(1, 1e6), 10)
    .option("--labels <count>", "labels that linear and knn learn from, the same of each class (default: all)", integer(1, 1e9))
    .option("--hold-out <fraction>", "judge on this part of the labelled samples instead of the test split", fraction)
    .option("--seed <number>", "which labels and which part are drawn", integer(0, 2 ** 32 - 1), 0);
  withJson(withDevice(withSearch(command)))
    .addHelpText(
      "after",
      `
Examples:
  data2vec evaluate --model runs/classifier --data labelled/
  data2vec evaluate --model runs/photos --data labelled/ --method knn
  data2vec evaluate --model runs/photos --data labelled/ --method linear --labels 500 --hold-out 0.2

A fine-tuned model is judged on the test split of the data, on the part held out, or on the whole folder where it isn't divided: by
accuracy, or what is usual for its task and data. A model of a GLUE task, and a folder named after one, are judged by that task's metrics,
MNLI on both of its sets (accuracyMatched, accuracyMismatched). linear and knn learn classes from the training split. They use the mean
over positions of the average of the two top blocks. With --json: {"method", "samples", the metrics by name, "loss" for head, "labels" otherwise}.
${SEARCH_HELP}`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const path = needed(options.model, "--model FOLDER", "the model to measure");
  const data = needed(options.data, "--data PATH", "labelled data to measure it on");
  const search = searchFlag(options);
  if (options.method !== "head" && search !== null) throw new UsageError(`${search}: not with --method ${options.method}`);
  const modality = await modalityOfModel(path);
  const device = await openDevice(options);
  try {
    const loaded = await loadModel(device, modality, path);
    const result = await (options.method === "head" ? judgeHead : judgeFeatures)(modality, loaded, data, options);
    tell(result, options);
  } finally {
    device.close();
  }
}

type Judge = (
  modality: Modality<RunConfig, unknown>,
  loaded: InferenceModel<RunConfig, unknown>,
  data: string,
  options: Options,
) => Promise<Result>;

const onSkip: OnSkip = ({ name, error }) => say(`skipped ${name}: ${error}`);

const judgeHead: Judge = async (modality, { model, config, task, outputs, benchmark }, path, options) => {
  if (task === null || outputs === null) {
    throw new UsageError(`${options.model}: has no head for a task\nuse --method knn or linear, or fine-tune it first: data2vec finetune`);
  }
  const kind = taskKind(task, outputs, { search: await readSearch(options, task, outputs) });
  if (options.holdOut === undefined) {
    const { metrics, parts } = await modality.openEvaluation(path, config, { task, outputs, benchmark, onSkip });
    try {
      const judged: [string | null, Evaluation][] = [];
      for (const { name, feed } of parts) judged.push([name, await evaluate(model, feed, { kind, metrics })]);
      return joined(judged);
    } finally {
      for (const { feed } of parts) await feed.close();
    }
  }
  const data = await openLabelled(modality, path, config, options, { task, outputs, benchmark });
  return joined([[null, await evaluate(model, data.evaluation!, { kind, metrics: data.metrics }).finally(() => close(data))]]);
};

/** One result of several sets: metrics by their name and that of the set (`accuracyMatched`), all samples, their mean loss. */
function joined(judged: readonly (readonly [name: string | null, Evaluation])[]): Result {
  const metrics: Record<string, number> = {};
  for (const [name, evaluation] of judged) {
    const suffix = name === null ? "" : name[0]!.toUpperCase() + name.slice(1);
    for (const [metric, value] of Object.entries(evaluation.metrics)) metrics[metric + suffix] = value;
  }
  const samples = judged.reduce((sum, [, evaluation]) => sum + evaluation.samples, 0);
  const loss = judged.reduce((sum, [, evaluation]) => sum + evaluation.loss * evaluation.samples, 0) / samples;
  return { method: "head", samples, metrics, loss };
}

const judgeFeatures: Judge = async (modality, { model, config }, path, options) => {
  const { method, k } = options;
  const { device, encoder } = model;
  const data = await openLabelled(modality, path, config, options, { task: "classify" });
  try {
    if (data.evaluation === null) throw new UsageError(`${path}: has no test split to judge on\nhold out a part: --hold-out 0.2`);
    const known = await encoderFeatures(device, encoder, data.plain);
    const { features, labels } = await encoderFeatures(device, encoder, data.evaluation);
    const shared = { method, samples: labels.length, labels: known.labels.length };
    if (method === "knn") {
      if (k > known.labels.length)
        throw new UsageError(`--k ${k}: there are only ${known.labels.length} labelled samples to be neighbours`);
      return { ...shared, k, metrics: { accuracy: accuracy(await nearestNeighbours(device, known, features, k), labels) } };
    }
    const probe = await fitLinearProbe(device, known);
    const predicted = await probe.predict(features);
    probe.release();
    return { ...shared, metrics: { accuracy: accuracy(predicted, labels) } };
  } finally {
    await close(data);
  }
};

function openLabelled(
  modality: Modality<RunConfig, unknown>,
  path: string,
  config: RunConfig,
  { labels, holdOut, seed }: Options,
  model: { task: TaskName; outputs?: readonly string[]; benchmark?: string | null },
): Promise<LabelledData<unknown>> {
  // The seed of the configuration draws which labels are taken.
  const seeded = { ...config, train: { ...config.train, seed } };
  return modality.openLabelled(path, seeded, { ...model, labels, holdOut, onSkip });
}

async function close({ train, plain, evaluation }: LabelledData<unknown>): Promise<void> {
  for (const feed of [train, plain, evaluation]) await feed?.close();
}

function tell({ method, samples, metrics, loss, labels, k }: Result, { json }: Options): void {
  if (json) {
    print(JSON.stringify({ method, samples, ...metrics, loss, labels, k }));
    return;
  }
  const learned = labels === undefined ? "" : `, ${formatCount(labels)} labels`;
  const how = method === "head" ? `loss ${loss!.toPrecision(4)}` : `${method}${k === undefined ? "" : `, k = ${k}`}${learned}`;
  print(`${formatMetrics(metrics)} on ${formatCount(samples)} samples (${how})`);
}
