/** RandAugment (Cubuk et al. 2019) as timm's `rand-m9-mstd0.5-inc1`: a few operations drawn at random, of about one strength. */
import type { RawImage } from "../dataset.js";
import { affine, rotate } from "./affine.js";
import { brightness, contrast, saturation, sharpness } from "./enhance.js";
import type { Random } from "./random.js";
import type { Interpolation } from "./resize.js";
import { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from "./tone.js";

/** How many operations, and how strong. */
export interface RandAugmentOptions {
  /** Operations drawn an image, with repetition; 2 in the recipe. */
  readonly layers: number;
  /** Mean strength, 0 to 10; 9 in the recipe. */
  readonly magnitude: number;
  /** Standard deviation of the strength; 0.5 in the recipe. */
  readonly magnitudeStd: number;
  /** How likely a drawn operation is carried out; 0.5 in timm. */
  readonly probability: number;
  /** Whether every operation gets stronger with the magnitude ("inc1", the recipe), or some weaker, as first published. */
  readonly increasing: boolean;
}

/** What an operation gets beside the image: a strength in [0, 1], and how to fill and interpolate. */
interface Setting {
  readonly level: number;
  readonly increasing: boolean;
  /** One value a channel, for what comes from outside the image. */
  readonly fill: readonly number[];
  readonly interpolation: Interpolation;
  readonly random: Random;
}

const MAX_MAGNITUDE = 10;

/** The fifteen operations of timm's set. */
export const OPERATIONS: Readonly<Record<string, (image: RawImage, setting: Setting) => RawImage>> = {
  autoContrast,
  equalize,
  invert,
  rotate: (image, setting) => rotate(image, signed(setting, 30), setting.fill, setting.interpolation),
  posterize: (image, { level, increasing }) => posterize(image, increasing ? 4 - Math.trunc(level * 4) : Math.trunc(level * 4)),
  solarize: (image, { level, increasing }) => solarize(image, increasing ? 256 - Math.trunc(level * 256) : Math.trunc(level * 256)),
  solarizeAdd: (image, { level }) => solarizeAdd(image, Math.trunc(level * 110)),
  color: (image, setting) => saturation(image, enhanceFactor(setting)),
  contrast: (image, setting) => contrast(image, enhanceFactor(setting)),
  brightness: (image, setting) => brightness(image, enhanceFactor(setting)),
  sharpness: (image, setting) => sharpness(image, enhanceFactor(setting)),
  shearX: (image, setting) => affine(image, [1, signed(setting, 0.3), 0, 0, 1, 0], setting.fill, setting.interpolation),
  shearY: (image, setting) => affine(image, [1, 0, 0, signed(setting, 0.3), 1, 0], setting.fill, setting.interpolation),
  translateX: (image, setting) => affine(image, [1, 0, signed(setting, 0.45) * image.width, 0, 1, 0], setting.fill, setting.interpolation),
  translateY: (image, setting) => affine(image, [1, 0, 0, 0, 1, signed(setting, 0.45) * image.height], setting.fill, setting.interpolation),
};

const NAMES = Object.keys(OPERATIONS);

/**
 * Reads timm's notation: `rand`, then in any order `-n` layers (2), `-m` magnitude (10), `-mstd` its deviation (0), `-inc1` the increasing
 * set.
 */
export function parseRandAugment(text: string): RandAugmentOptions {
  const [kind, ...parts] = text.split("-");
  const options = { layers: 2, magnitude: 10, magnitudeStd: 0, probability: 0.5, increasing: false };
  if (kind !== "rand") throw badNotation(text);
  for (const part of parts) {
    const [, key, digits] = /^(mstd|inc|m|n)(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    const value = Number(digits);
    if (key === "n") options.layers = value;
    else if (key === "m") options.magnitude = value;
    else if (key === "mstd") options.magnitudeStd = value;
    else if (key === "inc") options.increasing = value > 0;
    else throw badNotation(text);
  }
  if (!Number.isInteger(options.layers)) throw badNotation(text);
  return options;
}

function badNotation(text: string): Error {
  return new Error(`randAugment: expected timm's notation, such as rand-m9-mstd0.5-inc1, got ${text}`);
}

/**
 * Applies `layers` random operations.
 *
 * @param fill color for what comes from outside the image, one value a channel: the mean of the normalization times 255
 */
export function randAugment(
  image: RawImage,
  options: RandAugmentOptions,
  fill: readonly number[],
  interpolation: Interpolation,
  random: Random,
): RawImage {
  let augmented = image;
  for (let layer = 0; layer < options.layers; layer++) {
    const name = NAMES[random.int(NAMES.length)]!;
    if (random.uniform() >= options.probability) continue;
    const magnitude = options.magnitude + options.magnitudeStd * random.normal();
    const level = Math.min(MAX_MAGNITUDE, Math.max(0, magnitude)) / MAX_MAGNITUDE;
    augmented = OPERATIONS[name]!(augmented, { level, increasing: options.increasing, fill, interpolation, random });
  }
  return augmented;
}

/** A strength of at most `range` in either direction. */
function signed({ level, random }: Setting, range: number): number {
  return random.uniform() < 0.5 ? level * range : -level * range;
}

function enhanceFactor(setting: Setting): number {
  return setting.increasing ? Math.max(0.1, 1 + signed(setting, 0.9)) : 0.1 + 1.8 * setting.level;
}
