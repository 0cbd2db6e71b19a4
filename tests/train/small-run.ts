/** Runs that take a moment: generated images, a small model, and what a run left in its folder. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { createWasmBackend } from "../../src/backend/wasm.js";
import type { TrainConfig } from "../../src/config/train.js";
import type { Stage } from "../../src/modalities/modality.js";
import type { VisionConfig, VisionDataConfig, VisionModelConfig } from "../../src/modalities/vision/config.js";
import { visionPresets } from "../../src/modalities/vision/presets.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { Device } from "../../src/tensor/device.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { type FinetuneReport, type FinetuneRun, finetune } from "../../src/train/finetune.js";
import { type PretrainRun, pretrain } from "../../src/train/pretrain.js";
import type { StepReport } from "../../src/train/trainer.js";

/** Height and width of the generated images, and the number of their classes. */
export const SIDE = 8;
export const CLASSES = 4;

/** A folder that is removed after the tests of a file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "data2vec-"));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The engine on one thread, or on as many as asked for. */
export function openDevice(threads = 1, memoryLimit?: number): Device {
  return new Device(createWasmBackend({ threads, memoryLimit }));
}

/** Pixels of an image of a class: a bright bar on a ground, whose place and brightness tell the class, in noise. */
function drawImage(label: number, random: Philox): Uint8Array {
  const ground = 20 + 40 * label;
  return Uint8Array.from({ length: SIDE * SIDE }, (_, at) => (Math.floor((at % SIDE) / 2) === label ? 200 : ground) + random.int(50));
}

/** Writes IDX files of `train` and `test` images, their classes taking turns; no test split for 0. */
export async function writeIdx(folder: string, { train = 32, test = 16, labels = true } = {}): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [split, count] of [["train", train] as const, ["t10k", test] as const]) {
    if (count === 0) continue;
    const random = new Philox(1, split);
    const pixels = Array.from({ length: count }, (_, i) => drawImage(i % CLASSES, random));
    const header = (...words: number[]) => Buffer.concat(words.map((word) => Buffer.from([0, 0, word >> 8, word & 255])));
    const images = Buffer.concat([header(0x803, count, SIDE, SIDE), ...pixels]);
    await writeFile(path.join(folder, `${split}-images-idx3-ubyte`), images);
    if (!labels) continue;
    const classes = Buffer.concat([header(0x801, count), Buffer.from(pixels.map((_, i) => i % CLASSES))]);
    await writeFile(path.join(folder, `${split}-labels-idx1-ubyte`), classes);
  }
  return folder;
}

/** Writes the same kind of images as PNG files, in a folder a class. */
export async function writeImageFolder(folder: string, count: number): Promise<string> {
  const random = new Philox(1, "files");
  for (let i = 0; i < count; i++) {
    const label = i % CLASSES;
    await mkdir(path.join(folder, `class${label}`), { recursive: true });
    const raw = { raw: { width: SIDE, height: SIDE, channels: 1 as const } };
    await sharp(drawImage(label, random), raw)
      .png()
      .toFile(path.join(folder, `class${label}`, `${i}.png`));
  }
  return folder;
}

/** What a test changes of a configuration. */
export interface Changes {
  model?: Partial<VisionModelConfig>;
  data?: Partial<VisionDataConfig>;
  train?: Partial<TrainConfig>;
}

/** A model of some thousand parameters with every kind of randomness switched on. */
export function smallConfig(stage: Stage, { model, data, train }: Changes = {}): VisionConfig {
  const preset = visionPresets[stage].tiny;
  return {
    model: {
      ...preset.model,
      imageSize: SIDE,
      patchSize: 2,
      dim: 16,
      depth: 2,
      heads: 2,
      mlpRatio: 2,
      averageTopKLayers: 2,
      dropPath: 0.3,
      attentionDropout: 0.1,
      dropout: 0.1,
      maskMinPatches: 2,
      ...model,
    },
    data: { ...preset.data, workers: 0, ...(stage === "finetune" ? { mixup: 0.8, cutmix: 1, erasing: 0.25 } : {}), ...data },
    train: {
      ...preset.train,
      steps: 6,
      batchSize: 4,
      learningRate: 1e-3,
      warmupSteps: 1,
      saveEvery: 1000,
      logEvery: 1,
      evaluateEvery: 0,
      keepBest: false,
      ...train,
    },
  };
}

/** The steps of a pretraining run; `each` may stop it. */
export async function runPretraining(
  options: Omit<PretrainRun<VisionConfig, Tensor>, "modality"> & { modality?: typeof vision },
  each: (report: StepReport) => unknown = () => {},
): Promise<StepReport[]> {
  return collect(pretrain({ modality: vision, ...options }), each);
}

/** The steps of a fine-tuning run; from scratch unless a model is given. */
export async function runFinetuning(
  options: Omit<FinetuneRun<VisionConfig, Tensor>, "modality" | "model"> & { modality?: typeof vision; model?: string | null },
  each: (report: FinetuneReport) => unknown = () => {},
): Promise<FinetuneReport[]> {
  return collect(finetune({ modality: vision, model: null, ...options }), each);
}

async function collect<R>(reports: AsyncIterable<R>, each: (report: R) => unknown): Promise<R[]> {
  const all: R[] = [];
  for await (const report of reports) {
    all.push(report);
    await each(report);
  }
  return all;
}

/** Lines of `metrics.jsonl` without the speeds. */
export async function metricsOf(out: string): Promise<Record<string, number>[]> {
  const text = await readFile(path.join(out, "metrics.jsonl"), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { samplesPerSecond: _, ...metrics } = JSON.parse(line);
      return metrics;
    });
}

/** Every file of a folder, byte by byte, as hexadecimal text. */
export async function filesOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  const contents = await Promise.all(names.map(async (name) => [name, (await readFile(path.join(folder, name))).toString("hex")] as const));
  return Object.fromEntries(contents);
}

/** What must be the same in two runs: every byte of the checkpoint, and the metrics but for the speeds. */
export async function resultOf(out: string): Promise<{ checkpoint: Record<string, string>; metrics: Record<string, number>[] }> {
  return { checkpoint: await filesOf(path.join(out, "checkpoint")), metrics: await metricsOf(out) };
}
