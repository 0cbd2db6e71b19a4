/** Conversion between gray and color. */
import type { RawImage } from "../dataset.js";

/** Brightness of every pixel (ITU-R 601, rounded as Pillow does). */
export function luma(image: RawImage): Uint8Array {
  const { channels, data } = image;
  if (channels === 1) return data;
  const gray = new Uint8Array(data.length / 3);
  for (let i = 0, at = 0; i < gray.length; i++, at += 3) {
    gray[i] = (19595 * data[at]! + 38470 * data[at + 1]! + 7471 * data[at + 2]! + 0x8000) >> 16;
  }
  return gray;
}

/** The image with the channels a model wants: gray replicated to three, color reduced to its brightness. */
export function convert(image: RawImage, channels: 1 | 3): RawImage {
  if (image.channels === channels) return image;
  const { width, height } = image;
  if (channels === 1) return { width, height, channels, data: luma(image) };
  const data = new Uint8Array(image.data.length * 3);
  for (let i = 0, to = 0; i < image.data.length; i++, to += 3) {
    data[to] = data[to + 1] = data[to + 2] = image.data[i]!;
  }
  return { width, height, channels, data };
}
