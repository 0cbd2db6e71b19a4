/** `data2vec inspect`: what a model folder, a run or a safetensors file holds, from its headers alone. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { type ModelFolder, resolveModelFolder } from "../checkpoint/directory.js";
import { formatBytes, readJson } from "../checkpoint/files.js";
import { elementCount, readSafetensorsHeader } from "../checkpoint/safetensors.js";
import { readTrainerState } from "../checkpoint/trainer-state.js";
import { UsageError } from "./failure.js";
import { withJson } from "./options.js";
import { formatCount, paint, print, table } from "./terminal.js";

interface FileSummary {
  file: string;
  bytes: number;
  /** Elements of all tensors. */
  parameters: number;
  metadata: Record<string, string>;
  tensors: { name: string; dtype: string; shape: number[] }[];
}

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command.argument("<path>", "run folder, model folder (ours or Hugging Face's), or .safetensors file");
  withJson(command)
    .addHelpText(
      "after",
      `
Examples:
  data2vec inspect runs/photos                      the run: progress, configuration, tensors of the model
  data2vec inspect runs/photos/checkpoint/teacher.safetensors
  data2vec inspect MODEL --json | jq .parameters    for programs

Only headers are read, so it is quick for models of any size. Every length and offset is checked: a file that is truncated or made
by hand with overlapping tensors is told by name. Of a run, best/ is shown where there is one, else checkpoint/.`,
    )
    .action(inspect);
}

async function inspect(given: string, { json }: { json: boolean }): Promise<void> {
  const status = await stat(given).catch(() => undefined);
  if (status === undefined) throw new UsageError(`${given}: no such file or folder`);
  if (status.isDirectory()) await inspectFolder(await resolveModelFolder(given), json);
  else {
    const summary = await summarize(given);
    if (json) print(JSON.stringify(summary));
    else printFile(summary);
  }
}

async function inspectFolder({ folder, run }: ModelFolder, json: boolean): Promise<void> {
  const names = await readdir(folder);
  const files: FileSummary[] = [];
  for (const name of names.filter((name) => name.endsWith(".safetensors")).sort()) files.push(await summarize(path.join(folder, name)));
  const config = await readJson(path.join(folder, "config.json"));
  const parameters = files.filter(({ file }) => isModelFile(file)).reduce((total, file) => total + file.parameters, 0);
  const progress = await progressOf(folder, run);
  if (json) {
    print(JSON.stringify({ folder, run: run ?? null, progress, parameters, config, files }));
    return;
  }
  print(`${heading("model")} ${folder}`);
  if (progress) {
    const { step, steps, best } = progress;
    const kept = best ? `, best evaluation ${best.value.toFixed(4)} at step ${best.step}` : "";
    print(`${heading("progress")} step ${step} of ${steps}${kept}`);
  }
  print(`${heading("parameters")} ${formatCount(parameters)}`);
  print(heading("config.json"));
  const fields = Object.entries(config as object).map(([key, value]) => [`  ${key}`, shorten(JSON.stringify(value))]);
  for (const line of table(fields)) print(line);
  for (const file of files) {
    if (isModelFile(file.file)) printFile(file);
    else print(`${heading(file.file)} ${formatCount(file.tensors.length)} tensors, ${formatBytes(file.bytes)}`);
  }
}

interface RunProgress {
  step: number;
  steps: number | null;
  seed: number;
  best: { value: number; step: number } | null;
}

/** How far the run of a checkpoint is; null for a folder without a run. */
async function progressOf(folder: string, run: string | undefined): Promise<RunProgress | null> {
  for (const place of [folder, ...(run === undefined ? [] : [path.join(run, "checkpoint")])]) {
    const names = await readdir(place).catch((): string[] => []);
    if (!names.includes("trainer.json")) continue;
    const { step, seed, best, config } = await readTrainerState(place);
    const steps = (config as { train?: { steps?: number } }).train?.steps ?? null;
    return { step, steps, seed, best };
  }
  return null;
}

async function summarize(file: string): Promise<FileSummary> {
  const { tensors, metadata, fileSize } = await readSafetensorsHeader(file);
  const list = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const parameters = list.reduce((total, { shape }) => total + elementCount(shape), 0);
  return { file, bytes: fileSize, parameters, metadata, tensors: list };
}

function printFile({ file, bytes, parameters, tensors }: FileSummary): void {
  print(`${heading(file)} ${formatCount(tensors.length)} tensors, ${formatCount(parameters)} elements, ${formatBytes(bytes)}`);
  const rows = [...tensors]
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
    .map(({ name, dtype, shape }) => [`  ${name}`, dtype, `[${shape.join(", ")}]`]);
  for (const line of table(rows)) print(line);
}

function isModelFile(file: string): boolean {
  return /^model(-\d+-of-\d+)?\.safetensors$/.test(path.basename(file));
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

function heading(text: string): string {
  return paint("bold", text, process.stdout);
}
