/** Brightness, contrast, saturation and sharpness: blends of an image with a version that has none of it, as Pillow's ImageEnhance. */
import type { RawImage } from "../dataset.js";
import { luma } from "./convert.js";
import { applyTable, table } from "./tone.js";

/** `factor` 0 gives black, 1 the image itself, 2 twice the brightness. */
export function brightness(image: RawImage, factor: number): RawImage {
  return applyTable(image, blendTable(0, factor));
}

/** `factor` 0 gives the image's mean brightness everywhere, 1 the image itself. */
export function contrast(image: RawImage, factor: number): RawImage {
  const gray = luma(image);
  let sum = 0;
  for (let i = 0; i < gray.length; i++) sum += gray[i]!;
  return applyTable(image, blendTable(Math.floor(sum / gray.length + 0.5), factor));
}

/** `factor` 0 gives the image in gray, 1 the image itself; gray images stay as they are. */
export function saturation(image: RawImage, factor: number): RawImage {
  if (image.channels === 1) return image;
  const gray = luma(image);
  const data = new Uint8Array(image.data.length);
  const alpha = Math.fround(factor);
  for (let i = 0, at = 0; i < gray.length; i++, at += 3) {
    const base = gray[i]!;
    data[at] = blend(base, image.data[at]!, alpha);
    data[at + 1] = blend(base, image.data[at + 1]!, alpha);
    data[at + 2] = blend(base, image.data[at + 2]!, alpha);
  }
  return { ...image, data };
}

/** `factor` 0 gives a smoothed image (3x3, center 5/13, others 1/13; the border as it is), 1 the image itself, 2 a sharpened one. */
export function sharpness(image: RawImage, factor: number): RawImage {
  const { width, height, channels, data } = image;
  const sharpened = data.slice();
  const alpha = Math.fround(factor);
  const pitch = width * channels;
  for (let y = 1; y < height - 1; y++) {
    for (let at = y * pitch + channels; at < (y + 1) * pitch - channels; at++) {
      let sum = 4 * data[at]!;
      for (let row = at - pitch; row <= at + pitch; row += pitch) sum += data[row - channels]! + data[row]! + data[row + channels]!;
      sharpened[at] = blend(Math.floor((2 * sum + 13) / 26), data[at]!, alpha);
    }
  }
  return { ...image, data: sharpened };
}

/** base + alpha * (value - base) in single precision, cut off to 8 bits as Pillow's `blend` does. */
function blend(base: number, value: number, alpha: number): number {
  const mixed = Math.fround(base + Math.fround(alpha * (value - base)));
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed);
}

function blendTable(base: number, factor: number): Uint8Array {
  const alpha = Math.fround(factor);
  return table((value) => blend(base, value, alpha));
}
