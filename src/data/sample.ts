/** One sample of a batch: an image made into a model's input, as a pure function of (seed, epoch, index). */
import { Philox } from "../backend/philox.js";
import type { RawImage } from "./dataset.js";
import { type TransformOptions, transformImage } from "./transform.js";

/** What a worker needs to know about a sample; plain data. */
export interface SampleJob {
  /** The image, or the file that holds it. */
  readonly source: string | RawImage;
  readonly epoch: number;
  /** Place of the sample in the data set: with seed and epoch it decides every random choice. */
  readonly index: number;
}

/** The image couldn't be read: the loader's reason to skip it. Other errors are faults of the program or its settings. */
export class UnreadableImageError extends Error {
  override readonly name = "UnreadableImageError";
}

/**
 * Reads an image, and marks its failure as one of the image.
 *
 * @throws {@link UnreadableImageError}
 */
export async function readImage(read: () => Promise<RawImage>): Promise<RawImage> {
  return read().catch((cause: Error) => {
    throw new UnreadableImageError(cause.message, { cause });
  });
}

/**
 * Augments and normalizes the image of a sample.
 *
 * @param out (channels, size, size), overwritten
 */
export function makeSample(
  image: RawImage,
  job: Omit<SampleJob, "source">,
  seed: number,
  transform: TransformOptions,
  out: Float32Array,
): void {
  transformImage(image, transform, new Philox(seed, "augment", job.epoch, job.index), out);
}

/** Numbers in one transformed image. */
export function sampleLength({ channels, size }: TransformOptions): number {
  return channels * size * size;
}
