/** Resampling with antialiasing, to the bit what Pillow's `crop(box).resize(size)` gives, which the recipes were made with. */
import type { RawImage } from "../dataset.js";

/** How pixels between pixels are made. */
export type Interpolation = "bilinear" | "bicubic";

/** A rectangle in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** For each output position: the first input position and `taps` fixed-point weights that sum to about 2^22. */
interface Weights {
  readonly count: number;
  readonly taps: number;
  readonly first: Int32Array;
  readonly values: Int32Array;
}

const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);
const MAX_CACHED = 512;
const cache = new Map<string, Weights>();

/**
 * Resizes a part of an image. When it shrinks, the filter is stretched with it, so that every input pixel counts (antialiasing); beyond the
 * box nothing is read. Rows are resampled first, then columns, each rounded to 8 bits.
 *
 * @param window the part of the `width` x `height` result that is wanted, by default the whole; only that is computed
 */
export function resize(
  image: RawImage,
  box: Box,
  width: number,
  height: number,
  interpolation: Interpolation,
  window: Box = { left: 0, top: 0, width, height },
): RawImage {
  const { channels } = image;
  const across = weightsFor(box.width, width, window.left, window.width, interpolation);
  const down = weightsFor(box.height, height, window.top, window.height, interpolation);
  // The rows that the second pass reads.
  const firstRow = down.first[0]!;
  const rowCount = down.first[down.count - 1]! + down.taps - firstRow;
  const rows = new Uint8Array(rowCount * window.width * channels);
  const start = ((box.top + firstRow) * image.width + box.left) * channels;
  const pitch = image.width * channels;
  if (channels === 1) resampleRows1(rows, image.data, start, pitch, rowCount, across);
  else resampleRows3(rows, image.data, start, pitch, rowCount, across);
  const data = new Uint8Array(window.height * window.width * channels);
  resampleColumns(data, rows, firstRow, window.width * channels, down);
  return { width: window.width, height: window.height, channels, data };
}

function resampleRows1(out: Uint8Array, data: Uint8Array, start: number, pitch: number, rows: number, weights: Weights): void {
  const { count, taps, first, values } = weights;
  for (let y = 0; y < rows; y++) {
    const row = start + y * pitch;
    for (let x = 0; x < count; x++) {
      const from = row + first[x]!;
      const at = x * taps;
      let sum = HALF;
      for (let k = 0; k < taps; k++) sum = (sum + Math.imul(values[at + k]!, data[from + k]!)) | 0;
      out[y * count + x] = clip(sum >> PRECISION_BITS);
    }
  }
}

function resampleRows3(out: Uint8Array, data: Uint8Array, start: number, pitch: number, rows: number, weights: Weights): void {
  const { count, taps, first, values } = weights;
  for (let y = 0; y < rows; y++) {
    const row = start + y * pitch;
    for (let x = 0; x < count; x++) {
      const from = row + first[x]! * 3;
      const at = x * taps;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let k = 0; k < taps; k++) {
        const weight = values[at + k]!;
        const pixel = from + k * 3;
        red = (red + Math.imul(weight, data[pixel]!)) | 0;
        green = (green + Math.imul(weight, data[pixel + 1]!)) | 0;
        blue = (blue + Math.imul(weight, data[pixel + 2]!)) | 0;
      }
      const to = (y * count + x) * 3;
      out[to] = clip(red >> PRECISION_BITS);
      out[to + 1] = clip(green >> PRECISION_BITS);
      out[to + 2] = clip(blue >> PRECISION_BITS);
    }
  }
}

function resampleColumns(out: Uint8Array, data: Uint8Array, firstRow: number, pitch: number, weights: Weights): void {
  const { count, taps, first, values } = weights;
  for (let y = 0; y < count; y++) {
    const from = (first[y]! - firstRow) * pitch;
    const at = y * taps;
    for (let x = 0; x < pitch; x++) {
      let sum = HALF;
      for (let k = 0; k < taps; k++) sum = (sum + Math.imul(values[at + k]!, data[from + k * pitch + x]!)) | 0;
      out[y * pitch + x] = clip(sum >> PRECISION_BITS);
    }
  }
}

function clip(value: number): number {
  return (value & ~255) === 0 ? value : value < 0 ? 0 : 255;
}

function weightsFor(inSize: number, outSize: number, offset: number, count: number, interpolation: Interpolation): Weights {
  const key = `${interpolation} ${inSize} ${outSize} ${offset} ${count}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const weights = makeWeights(inSize, outSize, offset, count, interpolation);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, weights);
  return weights;
}

/** Weights of the output positions offset..offset+count-1 of `outSize`. */
function makeWeights(inSize: number, outSize: number, offset: number, count: number, interpolation: Interpolation): Weights {
  const filter = interpolation === "bicubic" ? cubic : triangle;
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const support = (interpolation === "bicubic" ? 2 : 1) * stretch;
  const taps = Math.min(Math.ceil(support) * 2 + 1, inSize);
  const first = new Int32Array(count);
  const values = new Int32Array(count * taps);
  const exact = new Float64Array(taps);
  for (let out = 0; out < count; out++) {
    const center = (offset + out + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(center - support + 0.5));
    const used = Math.min(inSize, Math.trunc(center + support + 0.5)) - begin;
    let sum = 0;
    for (let k = 0; k < used; k++) sum += exact[k] = filter((k + begin - center + 0.5) / stretch);
    // All `taps` positions must exist, so near the end the window starts earlier, with zeros before it.
    const shift = Math.max(0, begin + taps - inSize);
    first[out] = begin - shift;
    for (let k = 0; k < used; k++) {
      const weight = (exact[k]! / sum) * 2 ** PRECISION_BITS;
      values[out * taps + k + shift] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
  }
  return { count, taps, first, values };
}

/** Keys' cubic convolution with a = -0.5. */
function cubic(x: number): number {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x));
}
