import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { Philox } from "../../backend/philox.js";
import { CheckpointError } from "../../checkpoint/error.js";
import { type HostTensor, toFloat32 } from "../../checkpoint/safetensors.js";
import { balancedSubset, holdOut, type ImageDataset, requireClasses } from "../../data/image/dataset.js";
import { decodeImage } from "../../data/image/decode.js";
import { type ImageBatch, ImageLoader } from "../../data/image/loader.js";
import { mixBatch } from "../../data/image/mixup.js";
import { imageSplits, openImages } from "../../data/image/open.js";
import { evaluationTransform, finetuneTransform, pretrainTransform, transformImage } from "../../data/image/transform.js";
import { problemOf } from "../../data/unreadable.js";
import type { MaskedInput } from "../../data2vec/pretraining.js";
import { ShapeError } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { EvaluationFeed, EvaluationOptions, Feed, JudgedData, LabelledData, LabelledOptions, OnSkip, RawInput } from "../modality.js";
import type { PreparedBatch } from "../prepared-batch.js";
import { patchCount, type VisionConfig } from "./config.js";
import { LabelledImageFeed, MaskedImageFeed } from "./feeds.js";

/** Images of one micro-batch where no gradient is needed. */
const INFERENCE_BATCH = 64;

/** Training images for pretraining, with the masks of the configuration; labels aren't looked at. */
export async function openMaskedImages(path: string, config: VisionConfig, onSkip: OnSkip): Promise<Feed<MaskedInput<Tensor>>> {
  const { model, data, train } = config;
  const images = await openTrainingSplit(path, null);
  const loader = new ImageLoader(images, {
    batchSize: train.batchSize,
    transform: pretrainTransform(data, model.imageSize, model.channels),
    seed: train.seed,
    training: true,
    workers: workersFor(images, config),
    onSkip,
  });
  const patches = patchCount(model);
  const mask = {
    side: model.imageSize / model.patchSize,
    target: Math.max(1, Math.round(model.maskRatio * patches)),
    minPatches: model.maskMinPatches,
    maxPatches: model.maskMaxPatches ?? patches,
    minAspect: model.maskMinAspect,
  };
  return new MaskedImageFeed(loader, mask, train.seed);
}

/** Labelled images: augmented ones to train on, and the test split (or a held-out part) as it is to judge by. */
export async function openLabelledImages(path: string, config: VisionConfig, options: LabelledOptions): Promise<LabelledData<Tensor>> {
  const { model, data, train } = config;
  let training = await openTrainingSplit(path, options.outputs ?? null);
  const classes = requireClasses(training);
  if (options.labels !== undefined) training = balancedSubset(training, options.labels, train.seed);
  let judged: ImageDataset | null = null;
  if (options.holdOut !== undefined) {
    const parts = holdOut(training, options.holdOut, train.seed);
    training = parts.rest;
    judged = parts.heldOut;
  } else if ((await imageSplits(path)).includes("test")) {
    judged = await openImages(path, { split: "test", classes });
    requireClasses(judged);
  }

  const loader = new ImageLoader(training, {
    // A few labels may be less than a batch; then every epoch is one batch.
    batchSize: Math.min(train.batchSize, training.size),
    transform: finetuneTransform(data, model.imageSize, model.channels),
    seed: train.seed,
    training: true,
    workers: workersFor(training, config),
    onSkip: options.onSkip,
  });
  const mixing = {
    mixup: data.mixup,
    cutmix: data.cutmix,
    switchProbability: data.mixupSwitchProb,
    probability: 1,
    labelSmoothing: data.labelSmoothing,
  };
  const soften = ({ pixels, shape, labels, step }: ImageBatch, count: number) =>
    mixBatch(pixels, shape as [number, number, number, number], labels, count, mixing, new Philox(train.seed, "mix", step));
  return {
    outputs: classes,
    metrics: null,
    benchmark: null,
    train: new LabelledImageFeed(loader, classes.length, soften),
    plain: evaluationFeed(training, classes.length, config, options.onSkip),
    evaluation: judged === null ? null : evaluationFeed(judged, classes.length, config, options.onSkip),
  };
}

/** Labelled images to judge a classifier by: the test split, or all of a folder that isn't divided. */
export async function openJudgedImages(
  path: string,
  config: VisionConfig,
  { outputs: classes, onSkip }: EvaluationOptions,
): Promise<JudgedData<Tensor>> {
  const divided = (await imageSplits(path)).length > 0;
  const images = await openImages(path, divided ? { split: "test", classes } : { classes });
  requireClasses(images);
  return { metrics: null, parts: [{ name: null, feed: evaluationFeed(images, classes.length, config, onSkip) }] };
}

/** A labelled set as it is, in order, one pass. */
export function evaluationFeed(dataset: ImageDataset, classes: number, config: VisionConfig, onSkip: OnSkip): EvaluationFeed<Tensor> {
  const { model, data, train } = config;
  const loader = new ImageLoader(dataset, {
    batchSize: INFERENCE_BATCH,
    transform: evaluationTransform(data, model.imageSize, model.channels),
    seed: train.seed,
    training: false,
    workers: workersFor(dataset, config),
    onSkip,
  });
  return new LabelledImageFeed(loader, classes, oneHot);
}

/** Image files in micro-batches, prepared as for evaluation. */
export async function* openImageFiles(files: readonly string[], { model, data }: VisionConfig): AsyncGenerator<PreparedBatch<Tensor>> {
  const transform = evaluationTransform(data, model.imageSize, model.channels);
  const length = model.channels * model.imageSize ** 2;
  for (let start = 0; start < files.length; start += INFERENCE_BATCH) {
    const names = files.slice(start, start + INFERENCE_BATCH);
    const pixels = new Float32Array(names.length * length);
    for (const [i, file] of names.entries()) {
      const image = await decodeImage(file).catch((cause: NodeJS.ErrnoException) => {
        throw new Error(`${file}: ${problemOf(cause)}`, { cause });
      });
      transformImage(image, transform, new Philox(0, basename(file)), pixels.subarray(i * length, (i + 1) * length));
    }
    const shape = [names.length, model.channels, model.imageSize, model.imageSize];
    yield { size: names.length, weight: names.length, names, upload: (device) => device.from(pixels, shape, "images") };
  }
}

/** `pixel_values` (batch, channels, height, width) and, if there, `bool_masked_pos` (batch, patches). */
export function rawImages(tensors: ReadonlyMap<string, HostTensor>, { model }: VisionConfig): PreparedBatch<RawInput<Tensor>> {
  for (const name of tensors.keys()) {
    if (name !== "pixel_values" && name !== "bool_masked_pos")
      throw new CheckpointError(`${name}: expected pixel_values and bool_masked_pos`);
  }
  const pixels = tensors.get("pixel_values");
  if (pixels === undefined) throw new CheckpointError("pixel_values is missing");
  const batch = pixels.shape[0];
  expectTensor("pixel_values", pixels, [batch, model.channels, model.imageSize, model.imageSize]);
  const masked = tensors.get("bool_masked_pos");
  if (masked !== undefined) expectTensor("bool_masked_pos", masked, [batch, patchCount(model)]);
  return {
    size: batch,
    weight: batch,
    names: Array.from({ length: batch }, (_, i) => `pixel_values[${i}]`),
    upload: (device) => ({
      input: device.from(toFloat32(pixels, "pixel_values"), pixels.shape, "images"),
      mask: masked === undefined ? null : device.fromIndices(Int32Array.from(masked.data as Uint8Array, Number), masked.shape, "mask"),
    }),
  };
}

async function openTrainingSplit(path: string, classes: readonly string[] | null): Promise<ImageDataset> {
  const splits = await imageSplits(path);
  return openImages(path, splits.length > 0 ? { split: "train", classes } : { classes });
}

/** Threads for loading: none where images are in memory and cheap to prepare, and no more than there are cores, or work for. */
function workersFor(dataset: ImageDataset, { data }: VisionConfig): number {
  if (dataset.size === 0 || dataset.file(0) === null) return 0;
  return Math.min(data.workers, availableParallelism(), Math.ceil(dataset.size / INFERENCE_BATCH));
}

function oneHot({ labels }: ImageBatch, classes: number): Float32Array {
  const targets = new Float32Array(labels.length * classes);
  for (const [row, label] of labels.entries()) targets[row * classes + label] = 1;
  return targets;
}

function expectTensor(name: string, { shape }: HostTensor, expected: readonly number[]): void {
  if (shape.length === expected.length && expected.every((length, axis) => length === shape[axis])) return;
  throw new ShapeError(`${name}: expected [${expected.join(",")}], got [${shape.join(",")}]`);
}
