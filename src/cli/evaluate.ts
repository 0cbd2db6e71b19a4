/** `data2vec evaluate`: how good a model is on labelled data, by its classifier or by its frozen features. */
import { type Command, Option } from "commander";
import type { LabelledData, Modality, OnSkip } from "../modalities/modality.js";
import { type Evaluation, evaluate } from "../tasks/evaluate.js";
import { accuracy, encoderFeatures } from "../tasks/labelled-features.js";
import { type InferenceModel, loadModel } from "../tasks/load-model.js";
import { nearestNeighbours } from "../tasks/nearest-neighbours.js";
import { fitLinearProbe } from "../train/linear-probe.js";
import { UsageError } from "./failure.js";
import { modalityOfModel, type RunConfig } from "./modalities.js";
import { type DeviceOptions, fraction, integer, needed, openDevice, withDevice, withJson } from "./options.js";
import { formatCount, formatPercent, print, say } from "./terminal.js";

interface Options extends DeviceOptions {
  model?: string;
  data?: string;
  method: "classifier" | "linear" | "knn";
  k: number;
  labels?: number;
  holdOut?: number;
  seed: number;
  json: boolean;
}

/** What came out: `loss` of a classifier, `labels` that a probe learned from, `k` neighbours. */
interface Result {
  method: Options["method"];
  samples: number;
  accuracy: number;
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
      new Option("--method <method>", "the model's own classifier, or its frozen features: linear probe, k-nearest neighbours")
        .choices(["classifier", "linear", "knn"])
        .default("classifier"),
    )
    .option("--k <count>", "neighbours, for knn", integer(1, 1e6), 10)
    .option("--labels <count>", "labels that linear and knn learn from, the same of each class (default: all)", integer(1, 1e9))
    .option("--hold-out <fraction>", "judge on this part of the labelled samples instead of the test split", fraction)
    .option("--seed <number>", "which labels and which part are drawn", integer(0, 2 ** 32 - 1), 0);
  withJson(withDevice(command))
    .addHelpText(
      "after",
      `
Examples:
  data2vec evaluate --model runs/classifier --data labelled/
  data2vec evaluate --model runs/photos --data labelled/ --method knn
  data2vec evaluate --model runs/photos --data labelled/ --method linear --labels 500 --hold-out 0.2

A classifier is judged on the test split of the data, on the part held out, or on the whole folder where it isn't divided.
linear and knn learn from the training split. They use the mean over positions of the average of the two top blocks.
With --json: {"method", "samples", "accuracy", "loss" for a classifier, "labels" otherwise}.`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const path = needed(options.model, "--model FOLDER", "the model to measure");
  const data = needed(options.data, "--data PATH", "labelled data to measure it on");
  const { modality } = await modalityOfModel(path);
  const device = await openDevice(options);
  try {
    const loaded = await loadModel(device, modality, path);
    const result = await (options.method === "classifier" ? judgeClassifier : judgeFeatures)(modality, loaded, data, options);
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

const judgeClassifier: Judge = async (modality, { model, config, classes }, path, options) => {
  if (classes === null) {
    throw new UsageError(
      `${options.model}: has no classifier\nuse --method knn or linear, or fine-tune it first: data2vec finetune classify`,
    );
  }
  if (options.holdOut === undefined) {
    const feed = await modality.openEvaluation(path, config, { classes, onSkip });
    return result(await evaluate(model, feed).finally(() => feed.close()));
  }
  const data = await openLabelled(modality, path, config, options, classes);
  return result(await evaluate(model, data.evaluation!).finally(() => close(data)));

  function result({ samples, accuracy, loss }: Evaluation): Result {
    return { method: "classifier", samples, accuracy, loss };
  }
};

const judgeFeatures: Judge = async (modality, { model, config }, path, options) => {
  const { method, k } = options;
  const { device, encoder } = model;
  const data = await openLabelled(modality, path, config, options);
  try {
    if (data.evaluation === null) throw new UsageError(`${path}: has no test split to judge on\nhold out a part: --hold-out 0.2`);
    const known = await encoderFeatures(device, encoder, data.plain);
    const { features, labels } = await encoderFeatures(device, encoder, data.evaluation);
    const shared = { method, samples: labels.length, labels: known.labels.length };
    if (method === "knn") {
      if (k > known.labels.length)
        throw new UsageError(`--k ${k}: there are only ${known.labels.length} labelled samples to be neighbours`);
      return { ...shared, k, accuracy: accuracy(await nearestNeighbours(device, known, features, k), labels) };
    }
    const probe = await fitLinearProbe(device, known);
    const predicted = await probe.predict(features);
    probe.release();
    return { ...shared, accuracy: accuracy(predicted, labels) };
  } finally {
    await close(data);
  }
};

function openLabelled(
  modality: Modality<RunConfig, unknown>,
  path: string,
  config: RunConfig,
  { labels, holdOut, seed }: Options,
  classes?: readonly string[],
): Promise<LabelledData<unknown>> {
  // The seed of the configuration draws which labels are taken.
  const seeded = { ...config, train: { ...config.train, seed } };
  return modality.openLabelled(path, seeded, { labels, holdOut, classes, onSkip });
}

async function close({ train, plain, evaluation }: LabelledData<unknown>): Promise<void> {
  for (const feed of [train, plain, evaluation]) await feed?.close();
}

function tell({ method, samples, accuracy, loss, labels, k }: Result, { json }: Options): void {
  if (json) {
    print(JSON.stringify({ method, samples, accuracy, loss, labels, k }));
    return;
  }
  const learned = labels === undefined ? "" : `, ${formatCount(labels)} labels`;
  const how = method === "classifier" ? `loss ${loss!.toPrecision(4)}` : `${method}${k === undefined ? "" : `, k = ${k}`}${learned}`;
  print(`accuracy ${formatPercent(accuracy)} on ${formatCount(samples)} samples (${how})`);
}
