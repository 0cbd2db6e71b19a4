/** Changes of tone that map each 8-bit value by itself: autocontrast, equalize, invert, posterize, solarize, as Pillow's ImageOps. */
import type { RawImage } from "../dataset.js";

/** Maps every value through a table of 256. */
export function applyTable(image: RawImage, values: Uint8Array): RawImage {
  const data = new Uint8Array(image.data.length);
  for (let i = 0; i < data.length; i++) data[i] = values[image.data[i]!]!;
  return { ...image, data };
}

/** Maps every channel through the table that `make` gives for its histogram. */
function mapChannels(image: RawImage, make: (counts: Uint32Array) => Uint8Array): RawImage {
  const { channels } = image;
  const data = new Uint8Array(image.data.length);
  for (let c = 0; c < channels; c++) {
    const counts = new Uint32Array(256);
    for (let i = c; i < data.length; i += channels) counts[image.data[i]!]! += 1;
    const values = make(counts);
    for (let i = c; i < data.length; i += channels) data[i] = values[image.data[i]!]!;
  }
  return { ...image, data };
}

/** Stretches each channel to the full range. */
export function autoContrast(image: RawImage): RawImage {
  return mapChannels(image, (counts) => {
    const low = counts.findIndex((count) => count > 0);
    const high = counts.findLastIndex((count) => count > 0);
    if (high <= low) return table((value) => value);
    const scale = 255 / (high - low);
    return table((value) => value * scale - low * scale);
  });
}

/** Gives each channel a histogram that is as flat as can be. */
export function equalize(image: RawImage): RawImage {
  return mapChannels(image, (counts) => {
    const last = counts.findLast((count) => count > 0)!;
    const step = Math.floor((image.width * image.height - last) / 255);
    if (step === 0) return table((value) => value);
    let seen = Math.floor(step / 2);
    return table((value) => {
      const mapped = Math.floor(seen / step);
      seen += counts[value]!;
      return mapped;
    });
  });
}

/** The negative. */
export function invert(image: RawImage): RawImage {
  return applyTable(
    image,
    table((value) => 255 - value),
  );
}

/** Keeps the upper `bits` bits of every value, 0 to 8. */
export function posterize(image: RawImage, bits: number): RawImage {
  const mask = 0xff & ~(2 ** (8 - bits) - 1);
  return applyTable(
    image,
    table((value) => value & mask),
  );
}

/** Inverts the values from `threshold` on. */
export function solarize(image: RawImage, threshold: number): RawImage {
  return applyTable(
    image,
    table((value) => (value < threshold ? value : 255 - value)),
  );
}

/** Adds `amount` to the values below 128. */
export function solarizeAdd(image: RawImage, amount: number): RawImage {
  return applyTable(
    image,
    table((value) => (value < 128 ? value + amount : value)),
  );
}

/** A table of 256 values, cut off to 8 bits. A plain loop: this runs for every image. */
export function table(map: (value: number) => number): Uint8Array {
  const values = new Uint8Array(256);
  for (let value = 0; value < 256; value++) values[value] = Math.min(255, Math.max(0, Math.trunc(map(value))));
  return values;
}
