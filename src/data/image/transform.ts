/** From a decoded image to a model's input: the augmentations of pretraining and fine-tuning, and the plain path of evaluation. */
import { resizeCenterCrop } from "./augment/center-crop.js";
import { colorJitter, type JitterOptions } from "./augment/color-jitter.js";
import { convert } from "./augment/convert.js";
import { horizontalFlip } from "./augment/flip.js";
import { type Normalization, normalize } from "./augment/normalize.js";
import { parseRandAugment, type RandAugmentOptions, randAugment } from "./augment/rand-augment.js";
import type { Random } from "./augment/random.js";
import { type ErasingOptions, randomErasing } from "./augment/random-erasing.js";
import { type CropOptions, randomResizedCrop } from "./augment/random-resized-crop.js";
import type { Interpolation } from "./augment/resize.js";
import type { RawImage } from "./dataset.js";

/** The settings of a run that concern images (the keys under `data.*`). */
export interface ImageSettings {
  readonly cropScale: readonly [number, number];
  readonly cropRatio: readonly [number, number];
  readonly interpolation: Interpolation;
  /** In evaluation the shorter side is resized to image size / evaluationCrop, then the center is cropped. */
  readonly evaluationCrop: number;
  /** Probability of a horizontal flip. */
  readonly flip: number;
  /** How far brightness, contrast and saturation may change. */
  readonly colorJitter: number;
  /** One number, or one a channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** RandAugment of fine-tuning in timm's notation. */
  readonly randAugment: string | null;
  /** Probability of random erasing in fine-tuning. */
  readonly erasing: number;
}

/** Everything that is done to an image, in the order of the fields; plain data, so that it can be sent to workers. */
export interface TransformOptions {
  readonly channels: 1 | 3;
  readonly jitter: JitterOptions | null;
  /** Probability of a horizontal flip. */
  readonly flip: number;
  /** A random part, or (null) the center after resizing the shorter side to `shorter`. */
  readonly crop: CropOptions | null;
  /** Height and width of the result. */
  readonly size: number;
  readonly shorter: number;
  readonly interpolation: Interpolation;
  readonly randAugment: RandAugmentOptions | null;
  readonly normalization: Normalization;
  readonly erasing: ErasingOptions | null;
}

/** Color jitter, flip, random resized crop: the pretraining recipe (BEiT, data2vec 1.0 vision), and nothing of fine-tuning's. */
export function pretrainTransform(settings: ImageSettings, imageSize: number, channels: number): TransformOptions {
  return { ...augmented(settings, imageSize, channels), randAugment: null, erasing: null };
}

/**
 * Random resized crop, flip, RandAugment, erasing: the fine-tuning recipe (BEiT, timm). As in timm, color jitter is left out where
 * RandAugment is on, which changes colors by itself.
 */
export function finetuneTransform(settings: ImageSettings, imageSize: number, channels: number): TransformOptions {
  const base = augmented(settings, imageSize, channels);
  return {
    ...base,
    jitter: settings.randAugment === null ? base.jitter : null,
    randAugment: settings.randAugment === null ? null : parseRandAugment(settings.randAugment),
    erasing: settings.erasing === 0 ? null : { probability: settings.erasing, area: [0.02, 1 / 3], minAspect: 0.3 },
  };
}

/** Resize and center crop, nothing random. */
export function evaluationTransform(settings: ImageSettings, imageSize: number, channels: number): TransformOptions {
  return { ...augmented(settings, imageSize, channels), jitter: null, flip: 0, crop: null, randAugment: null, erasing: null };
}

/**
 * Makes a model's input of an image, drawing from `random` alone.
 *
 * @param out (channels, size, size), overwritten
 */
export function transformImage(image: RawImage, options: TransformOptions, random: Random, out: Float32Array): void {
  const { size, interpolation, normalization } = options;
  let current = convert(image, options.channels);
  if (options.jitter !== null) current = colorJitter(current, options.jitter, random);
  if (options.flip > 0 && random.uniform() < options.flip) current = horizontalFlip(current);
  current =
    options.crop === null
      ? resizeCenterCrop(current, size, options.shorter, interpolation)
      : randomResizedCrop(current, size, options.crop, interpolation, random);
  if (options.randAugment !== null) {
    const fill = normalization.mean.map((mean) => Math.min(255, Math.max(0, Math.round(255 * mean))));
    current = randAugment(current, options.randAugment, fill, interpolation, random);
  }
  normalize(current, normalization, out);
  if (options.erasing !== null) randomErasing(out, size, size, options.erasing, random);
}

function augmented(settings: ImageSettings, imageSize: number, channels: number): TransformOptions {
  if (channels !== 1 && channels !== 3) throw new Error(`images: channels: expected 1 (gray) or 3 (RGB), got ${channels}`);
  const spread = (name: string, values: readonly number[]) => {
    if (values.length !== 1 && values.length !== channels) {
      throw new Error(`images: ${name}: expected 1 or ${channels} numbers, got ${values.length}`);
    }
    return Array.from({ length: channels }, (_, channel) => values[channel % values.length]!);
  };
  const { cropScale, cropRatio, colorJitter: jitter, flip, interpolation } = settings;
  return {
    channels,
    jitter: jitter === 0 ? null : { brightness: jitter, contrast: jitter, saturation: jitter },
    flip,
    crop: { scale: cropScale, ratio: cropRatio },
    size: imageSize,
    shorter: Math.max(imageSize, Math.round(imageSize / settings.evaluationCrop)),
    interpolation,
    randAugment: null,
    normalization: { mean: spread("mean", settings.mean), std: spread("std", settings.std) },
    erasing: null,
  };
}
