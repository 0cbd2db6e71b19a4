/** From 8-bit pixels, channels last, to the model's input: (value / 255 - mean) / std, one plane a channel. */
import type { RawImage } from "../dataset.js";

/** Mean and standard deviation of each channel, of values in [0, 1]. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * Writes the normalized image.
 *
 * @param out (channels, height, width)
 */
export function normalize(image: RawImage, { mean, std }: Normalization, out: Float32Array): void {
  const { channels, data } = image;
  const count = image.width * image.height;
  const table = new Float32Array(256);
  for (let c = 0; c < channels; c++) {
    for (let value = 0; value < 256; value++) table[value] = (value / 255 - mean[c]!) / std[c]!;
    for (let i = 0, from = c, to = c * count; i < count; i++, from += channels, to++) out[to] = table[data[from]!]!;
  }
}
