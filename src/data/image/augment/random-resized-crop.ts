/** Random resized crop: a random part of the image, of random area and aspect, resized to the model's input. */
import type { RawImage } from "../dataset.js";
import { between, type Random } from "./random.js";
import { type Box, type Interpolation, resize } from "./resize.js";

/** What may be cropped. */
export interface CropOptions {
  /** Least and greatest area, as parts of the image's area; 0.08 to 1 in the recipe (BEiT and timm alike). */
  readonly scale: readonly [number, number];
  /** Least and greatest width / height, drawn uniformly in the logarithm; 3/4 to 4/3 in the recipe. */
  readonly ratio: readonly [number, number];
}

const ATTEMPTS = 10;

/** The part to cut out: ten tries, then the largest central part within the aspect bounds, as torchvision draws it. */
export function randomCropBox(width: number, height: number, { scale, ratio }: CropOptions, random: Random): Box {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = width * height * between(random, scale[0], scale[1]);
    const aspect = Math.exp(between(random, Math.log(ratio[0]), Math.log(ratio[1])));
    const w = Math.round(Math.sqrt(area * aspect));
    const h = Math.round(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { left: random.int(width - w + 1), top: random.int(height - h + 1), width: w, height: h };
    }
  }
  const aspect = width / height;
  const w = aspect > ratio[1] ? Math.max(1, Math.round(height * ratio[1])) : width;
  const h = aspect < ratio[0] ? Math.max(1, Math.round(width / ratio[0])) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** Cuts out a random part and resizes it to `size` x `size`. */
export function randomResizedCrop(
  image: RawImage,
  size: number,
  options: CropOptions,
  interpolation: Interpolation,
  random: Random,
): RawImage {
  return resize(image, randomCropBox(image.width, image.height, options, random), size, size, interpolation);
}
