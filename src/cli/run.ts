/** What the commands that train share: options, configuration, the live line, stopping, the result. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { type Command, Option } from "commander";
import { findCheckpoint } from "../checkpoint/directory.js";
import { CheckpointError } from "../checkpoint/error.js";
import { readTrainerState } from "../checkpoint/trainer-state.js";
import { nearest } from "../config/nearest.js";
import { formatConfig } from "../config/resolve.js";
import { configKeys } from "../config/schema.js";
import type { Modality, RunConfig, Stage } from "../modalities/modality.js";
import { loadConfig } from "../train/config.js";
import { type RunSource, readRunSource } from "../train/run-source.js";
import type { StepReport } from "../train/trainer.js";
import { EXIT, writeUsageError } from "./failure.js";
import { knownSettings } from "./modalities.js";
import { type DeviceOptions, integer, needed, withDevice, withJson } from "./options.js";
import { Progress } from "./progress.js";
import { Stop } from "./stop.js";
import { formatCount, formatSeconds, paint, print, say } from "./terminal.js";

/** Options of a command that trains. */
export interface RunOptions extends DeviceOptions {
  data?: string;
  out?: string;
  preset?: string;
  config?: string;
  steps?: number;
  seed?: number;
  set?: string[];
  resume: boolean;
  settings: boolean;
  json: boolean;
}

/** Adds the options of a command that trains. */
export function withRun(command: Command): Command {
  command
    .configureOutput({ outputError: tellUsageError })
    .option("--data <path>", "training data: a folder (see docs/data.md)")
    .option("--out <folder>", "the run's folder: checkpoint, metrics.jsonl, config.yaml")
    .addOption(new Option("--resume", "go on with the run in --out, with its data and configuration").conflicts(["preset", "config"]))
    .option("--preset <name>", "ready settings to start from: tiny, small, base or large")
    .option("--config <file>", "YAML file of settings, over those of the preset")
    .option("--set <key=value...>", "single settings, over the file; --settings lists them")
    .option("--steps <count>", "the same as --set train.steps=COUNT", integer(1, 1e9))
    .option("--seed <number>", "the same as --set train.seed=NUMBER; same seed, same bits", integer(0, 2 ** 32 - 1));
  return withJson(withDevice(command)).option(
    "--settings",
    "list every setting: its value, what it accepts, what it means; then exit",
    false,
  );
}

/** Tells an error of usage; for an unknown flag that is the name of a setting also how settings are given. */
function tellUsageError(text: string, write: (text: string) => void): void {
  writeUsageError(text, write);
  const flag = /unknown option '--([\w.-]+)/.exec(text)?.[1];
  if (flag === undefined || text.includes("Did you mean")) return;
  const key = nearest(flag, knownSettings());
  if (key !== undefined) write(`(settings are given as --set ${key}=VALUE)\n`);
}

/** How settings come together, for help texts. */
export const SETTINGS_HELP = `
Settings come from the preset (base and large on a GLUE task: with its published recipe), then --config, then --set; the whole configuration is printed at the start and kept in OUT/config.yaml.
Ctrl-C finishes the step, saves and exits with 130; --resume goes on from there with the same bits as if nothing had happened.
OUT/metrics.jsonl has one line for each logged step. With --json, the last line on stdout tells where the run ended.`;

/**
 * The effective configuration of a run; with `--resume` that of the run in `--out`, under whatever `--set` says. A recipe that the data
 * bring along is told.
 */
export function configureRun<C extends RunConfig, I>(
  modality: Modality<C, I>,
  stage: Stage,
  options: RunOptions,
  fixed?: { name: string; values: object },
): Promise<C> {
  const set = [...(options.set ?? [])];
  if (options.steps !== undefined) set.push(`train.steps=${options.steps}`);
  if (options.seed !== undefined) set.push(`train.seed=${options.seed}`);
  if (options.resume) {
    const out = needed(options.out, "--out FOLDER", "the run to go on with");
    return loadConfig(modality, stage, { file: path.join(out, "config.yaml"), set });
  }
  const { preset, config: file, data, json } = options;
  const onRecipe = (name: string, settings: readonly string[]) => {
    if (!json) say(`${name}, over the preset: ${settings.join(" ")}`);
  };
  return loadConfig(modality, stage, { preset, file, set, fixed, data, onRecipe });
}

/** What the run in a folder was started with. */
export async function readRun(out: string): Promise<RunSource> {
  const names = await readdir(out).catch((): string[] => []);
  if (!names.includes("config.yaml")) throw new CheckpointError(`${out}: there is no run in this folder, so there is nothing to resume`);
  return readRunSource(out);
}

/** Lists every setting with its value, what it accepts and what it means. */
export function printSettings<C extends RunConfig, I>({ schema }: Modality<C, I>, config: C, json: boolean): void {
  const settings = [...configKeys(schema).values()].map(({ key, accepts, description }) => {
    const value = key.split(".").reduce<unknown>((section, name) => (section as Record<string, unknown>)[name], config);
    return { key, value, accepts, description };
  });
  if (json) print(JSON.stringify({ settings }));
  else {
    for (const { key, value, accepts, description } of settings) {
      print(`${paint("bold", key, process.stdout)} = ${JSON.stringify(value)}   (${accepts})`);
      print(`    ${description}`);
    }
  }
}

/** A run as its command describes it. */
export interface FollowOptions<R extends StepReport> {
  /** For the result: "pretrain". */
  command: string;
  out: string;
  config: RunConfig;
  engine: string;
  json: boolean;
  start: (signal: AbortSignal) => AsyncIterable<R>;
  /** What a report adds to the live line, and to the result. */
  extras?: (report: R) => { note?: string; values?: Record<string, number> };
  /** The command that goes on with the run. */
  resumeWith: string;
  /** What can be done with the result. */
  next: string;
}

/** Runs a training to its end or to Ctrl-C, shows how it goes, and tells where it ended. */
export async function follow<R extends StepReport>(run: FollowOptions<R>): Promise<void> {
  const { command, out, config, engine, json, extras } = run;
  if (!json) say(`${paint("dim", formatConfig(config).trimEnd())}\n`);
  say(`engine: ${engine}; run folder: ${out}`);
  const started = performance.now();
  using progress = new Progress();
  using stop = new Stop(() => progress.note("stopping and saving; again to leave at once, without saving"));
  let last: R | undefined;
  let values: Record<string, number> = {};
  for await (const report of run.start(stop.signal)) {
    last = report;
    progress.update(stepLine(report));
    const extra = extras?.(report);
    if (extra?.note) progress.note(extra.note);
    values = { ...values, ...extra?.values };
    // The loop may never wait for anything but computation; signals come in between.
    await setImmediate();
  }
  if (last !== undefined) progress.finish(stepLine(last));

  const step = last?.step ?? (await stepOf(out));
  const stopped = stop.signal.aborted && step < config.train.steps;
  const seconds = (performance.now() - started) / 1000;
  if (stopped) process.exitCode = EXIT.stopped;
  await tellSkipped(out);
  if (json) {
    const { learningRate, samplesPerSecond, metrics } = last ?? {};
    const where = { command, out, step, steps: config.train.steps, stopped, seconds };
    print(JSON.stringify({ ...where, ...metrics, ...values, learningRate, samplesPerSecond }));
  } else if (stopped) {
    const saved = step > 0 ? `saved in ${path.join(out, "checkpoint")}` : "nothing to save yet";
    print(`stopped after step ${step} of ${config.train.steps}, ${saved}`);
    say(`go on: ${run.resumeWith}`);
  } else if (last === undefined) {
    print(`nothing to do: the run in ${out} has done its ${formatCount(step)} steps`);
  } else {
    print(`done: ${formatCount(step)} steps in ${formatSeconds(seconds)}; the model is in ${out}`);
    say(`next: ${run.next}`);
  }
}

const METRICS: Record<string, (value: number) => string> = {
  loss: (value) => `loss ${value.toPrecision(4)}`,
  targetDeviation: (value) => `target ${value.toFixed(3)}`,
  predictionDeviation: (value) => `prediction ${value.toFixed(3)}`,
  emaDecay: (value) => `EMA ${value.toFixed(5)}`,
  accuracy: (value) => `accuracy ${(100 * value).toFixed(1)} %`,
};

/** A step as one line: step, loss, deviations of target and prediction, EMA decay, speed, time left. */
export function stepLine({ step, steps, metrics, samplesPerSecond, secondsLeft }: StepReport): string {
  const values = Object.entries(metrics).map(([name, value]) => METRICS[name]?.(value) ?? `${name} ${value.toPrecision(4)}`);
  const left = step < steps ? [`${formatSeconds(secondsLeft)} left`] : [];
  return [`step ${step}/${steps}`, ...values, `${samplesPerSecond.toFixed(0)} samples/s`, ...left].join("  ");
}

/** The step of the checkpoint in a run folder, 0 where there is none. */
async function stepOf(out: string): Promise<number> {
  const checkpoint = await findCheckpoint(path.join(out, "checkpoint"));
  return checkpoint === undefined ? 0 : (await readTrainerState(checkpoint)).step;
}

/** Says how many samples couldn't be read. */
async function tellSkipped(out: string): Promise<void> {
  const file = path.join(out, "skipped.jsonl");
  const text = await readFile(file, "utf8").catch(() => "");
  const count = text.split("\n").filter((line) => line !== "").length;
  if (count > 0) say(`${formatCount(count)} samples couldn't be read and were replaced: ${file}`);
}
