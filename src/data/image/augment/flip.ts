/** Horizontal flip. */
import type { RawImage } from "../dataset.js";

/** The image mirrored left to right. */
export function horizontalFlip(image: RawImage): RawImage {
  const { width, height, channels, data } = image;
  const flipped = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    let from = ((y + 1) * width - 1) * channels;
    let to = y * width * channels;
    for (let x = 0; x < width; x++, from -= channels, to += channels) {
      for (let c = 0; c < channels; c++) flipped[to + c] = data[from + c]!;
    }
  }
  return { width, height, channels, data: flipped };
}
