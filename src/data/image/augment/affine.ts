/** Affine transforms about the image's frame: shear, translation, rotation, as Pillow's `transform` and `rotate`. */
import type { RawImage } from "../dataset.js";
import type { Interpolation } from "./resize.js";

/** An output pixel's center (x, y) takes its color from (a x + b y + c, d x + e y + f) of the input. */
export type AffineMatrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/**
 * Transforms an image within its frame; what comes from outside of it gets `fill` (one value a channel).
 */
export function affine(image: RawImage, matrix: AffineMatrix, fill: readonly number[], interpolation: Interpolation): RawImage {
  const { width, height, channels } = image;
  const [a, b, c, d, e, f] = matrix;
  const data = new Uint8Array(image.data.length);
  const sample = interpolation === "bicubic" ? sampleCubic : sampleLinear;
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += channels) {
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
      if (fromX >= 0 && fromX < width && fromY >= 0 && fromY < height) sample(data, to, image, fromX - 0.5, fromY - 0.5);
      else for (let channel = 0; channel < channels; channel++) data[to + channel] = fill[channel]!;
    }
  }
  return { width, height, channels, data };
}

/** Rotates counter-clockwise by `degrees` about the center. */
export function rotate(image: RawImage, degrees: number, fill: readonly number[], interpolation: Interpolation): RawImage {
  // In Pillow's order and rounding, since pixels near the center land on whole positions.
  const angle = (-(((degrees % 360) + 360) % 360) * Math.PI) / 180;
  const cos = Number(Math.cos(angle).toFixed(15));
  const sin = Number(Math.sin(angle).toFixed(15));
  const [x, y] = [image.width / 2, image.height / 2];
  const matrix: AffineMatrix = [cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y];
  return affine(image, matrix, fill, interpolation);
}

/** Writes the color at (x, y), where whole numbers are pixel centers; rounded down, as Pillow does. */
function sampleLinear(out: Uint8Array, to: number, { width, height, channels, data }: RawImage, x: number, y: number): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const x0 = clamp(left, width) * channels;
  const x1 = clamp(left + 1, width) * channels;
  const row0 = clamp(top, height) * width * channels;
  const row1 = clamp(top + 1, height) * width * channels;
  for (let c = 0; c < channels; c++) {
    const upper = data[row0 + x0 + c]! + (data[row0 + x1 + c]! - data[row0 + x0 + c]!) * (x - left);
    const lower = data[row1 + x0 + c]! + (data[row1 + x1 + c]! - data[row1 + x0 + c]!) * (x - left);
    out[to + c] = upper + (lower - upper) * (y - top);
  }
}

function sampleCubic(out: Uint8Array, to: number, { width, height, channels, data }: RawImage, x: number, y: number): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const x0 = clamp(left - 1, width) * channels;
  const x1 = clamp(left, width) * channels;
  const x2 = clamp(left + 1, width) * channels;
  const x3 = clamp(left + 2, width) * channels;
  const row = (k: number) => clamp(top - 1 + k, height) * width * channels;
  for (let c = 0; c < channels; c++) {
    const across = (base: number) =>
      cubic(data[base + x0 + c]!, data[base + x1 + c]!, data[base + x2 + c]!, data[base + x3 + c]!, x - left);
    const value = cubic(across(row(0)), across(row(1)), across(row(2)), across(row(3)), y - top);
    out[to + c] = Math.max(0, Math.min(255, value));
  }
}

/** Cubic convolution with a = -1 (Pillow's transforms differ in this from its resize). */
function cubic(v0: number, v1: number, v2: number, v3: number, d: number): number {
  return v1 + d * (v2 - v0 + d * (2 * (v0 - v1) + v2 - v3 + d * (v1 - v0 - v2 + v3)));
}

function clamp(position: number, size: number): number {
  return position < 0 ? 0 : position >= size ? size - 1 : position;
}
