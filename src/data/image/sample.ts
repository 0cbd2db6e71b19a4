/** One sample of a batch: an image made into a model's input, as a pure function of (seed, epoch, index). */
import { Philox } from "../../backend/philox.js";
import type { RawImage } from "./dataset.js";
import { type TransformOptions, transformImage } from "./transform.js";

/** What a worker is told once. */
export interface SampleSettings {
  readonly seed: number;
  readonly transform: TransformOptions;
}

/** What a worker needs to know about a sample; plain data. */
export interface SampleJob {
  /** The image, or the file that holds it. */
  readonly source: string | RawImage;
  readonly epoch: number;
  /** Place of the sample in the data set: with seed and epoch it decides every random choice. */
  readonly index: number;
}

/** The image of a sample, augmented and normalized (channels, size, size). */
export function makeSample(
  image: RawImage,
  { epoch, index }: Omit<SampleJob, "source">,
  seed: number,
  transform: TransformOptions,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(transform.channels * transform.size ** 2);
  transformImage(image, transform, new Philox(seed, "augment", epoch, index), out);
  return out;
}
