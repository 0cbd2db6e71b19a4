/** Batches of augmented images in a reproducible order, made ahead of the training step. */
import { availableParallelism } from "node:os";
import { Philox } from "../backend/philox.js";
import type { ImageDataset } from "./dataset.js";
import { decodeImage } from "./decode.js";
import { Lanes } from "./lanes.js";
import { SamplePool } from "./pool.js";
import { makeSample, readImage, sampleLength, UnreadableImageError } from "./sample.js";
import type { TransformOptions } from "./transform.js";

/** A batch, ready for the device. */
export interface ImageBatch {
  /** (size, channels, height, width), normalized. */
  readonly pixels: Float32Array;
  readonly shape: readonly [size: number, channels: number, height: number, width: number];
  /** Class of each image; -1 where the data have no labels. */
  readonly labels: Int32Array;
  readonly names: readonly string[];
  /** Place of each image in the data set. */
  readonly indices: Int32Array;
  readonly epoch: number;
  /** Number of the batch since the start of training. */
  readonly step: number;
}

/** An image that couldn't be read. */
export interface SkippedImage {
  readonly name: string;
  readonly error: string;
}

/** How to make batches. */
export interface LoaderOptions {
  readonly batchSize: number;
  readonly transform: TransformOptions;
  readonly seed: number;
  /**
   * True: endless, shuffled every epoch, the last partial batch of an epoch dropped, an unreadable image replaced by another. False: one pass
   * in order, the last batch as small as it is, unreadable images left out.
   */
  readonly training: boolean;
  /** Threads that decode and augment; 0 does it in this thread when a batch is asked for. Batches don't depend on it. */
  readonly workers?: number;
  /** Batches made ahead by the workers, 2 by default. */
  readonly ahead?: number;
  /** Told once of every image that couldn't be read. */
  readonly onSkip?: (skipped: SkippedImage) => void;
}

interface Sample {
  /** The image it was made of; null where it couldn't be read and isn't replaced. */
  readonly index: number | null;
  readonly failures: readonly SkippedImage[];
}

interface Assembled {
  readonly batch: ImageBatch;
  readonly failures: readonly SkippedImage[];
}

const MAX_FAILED_PART = 0.01;
/** So many failures are borne in any case: 1 % of a small set would be none. */
const MIN_FAILURES = 3;
/** Of the first so many images, 1 % of all may fail before it is an error, so that an unlucky start isn't. */
const WARM_UP = 1000;
const MAX_REPLACEMENTS = 32;
/** Images decoded at once where there are no workers. */
const LANES = 4;

/**
 * Gives the batches of a data set. Which images a batch holds is a pure function of (seed, step), and what is done to each one of
 * (seed, epoch, index), so batches are the same whatever the number of workers, and from whichever step one starts.
 */
export class ImageLoader {
  readonly dataset: ImageDataset;
  /** Batches in one pass over the data. */
  readonly stepsPerEpoch: number;
  readonly #options: LoaderOptions;
  readonly #workers: number;
  readonly #lanes = new Lanes(LANES);
  /** The error of each image that couldn't be read, by name. */
  readonly #reported = new Map<string, string>();
  #pool: SamplePool | undefined;
  #order: { epoch: number; indices: Int32Array } | undefined;
  #seen = 0;
  #failed = 0;

  /**
   * @throws where the set has fewer images than a training batch
   */
  constructor(dataset: ImageDataset, options: LoaderOptions) {
    const { batchSize, training, workers, ahead } = options;
    expectWhole("batchSize", batchSize, 1);
    if (workers !== undefined) expectWhole("workers", workers, 0);
    if (ahead !== undefined) expectWhole("ahead", ahead, 1);
    if (training && dataset.size < batchSize) {
      throw new Error(`${dataset.description}: fewer images than a batch of ${batchSize}\nset train.batchSize to at most ${dataset.size}`);
    }
    this.dataset = dataset;
    this.stepsPerEpoch = training ? Math.floor(dataset.size / batchSize) : Math.ceil(dataset.size / batchSize);
    this.#options = options;
    this.#workers = workers ?? defaultWorkers(dataset);
  }

  /** Images that couldn't be read so far, each time counted. */
  get skipped(): number {
    return this.#failed;
  }

  /**
   * The batches from a step on: without end in training, else to the end of the data. Breaking out of the loop is all it takes to stop.
   *
   * @throws where more than 1 % of the images can't be read (and more than three), or a worker fails
   */
  async *from(step: number): AsyncGenerator<ImageBatch, void, undefined> {
    expectWhole("step", step, 0);
    const { training, ahead = 2 } = this.#options;
    const end = training ? Number.POSITIVE_INFINITY : this.stepsPerEpoch;
    const depth = this.#workers === 0 ? 0 : ahead;
    const queue: Promise<Assembled>[] = [];
    let next = step;
    const fill = (length: number) => {
      for (; queue.length < length && next < end; next++) {
        const assembled = this.#assemble(next);
        // A failure counts when its turn comes; until then nobody listens.
        assembled.catch(() => {});
        queue.push(assembled);
      }
    };
    for (;;) {
      fill(depth + 1);
      const first = queue.shift();
      if (first === undefined) return;
      const { batch, failures } = await first;
      this.#account(batch, failures);
      if (batch.names.length > 0) yield batch;
    }
  }

  /** Ends the worker threads. Not needed for the process to end. */
  async close(): Promise<void> {
    await this.#pool?.close();
    this.#pool = undefined;
  }

  async #assemble(step: number): Promise<Assembled> {
    const { batchSize, transform } = this.#options;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const start = (step % this.stepsPerEpoch) * batchSize;
    const indices = this.#orderOf(epoch).subarray(start, start + batchSize);
    const length = sampleLength(transform);
    const pixels = new Float32Array(indices.length * length);
    const samples = await Promise.all(
      Array.from(indices, (index, position) => this.#make(epoch, index, pixels.subarray(position * length, (position + 1) * length))),
    );

    const used: number[] = [];
    for (const [position, { index }] of samples.entries()) {
      if (index === null) continue;
      if (used.length < position) pixels.copyWithin(used.length * length, position * length, (position + 1) * length);
      used.push(index);
    }
    const batch: ImageBatch = {
      pixels: pixels.subarray(0, used.length * length),
      shape: [used.length, transform.channels, transform.size, transform.size],
      labels: Int32Array.from(used, (index) => this.dataset.label(index)),
      names: used.map((index) => this.dataset.name(index)),
      indices: Int32Array.from(used),
      epoch,
      step,
    };
    return { batch, failures: samples.flatMap((sample) => sample.failures) };
  }

  /** Makes one sample of the image at `index`, or of the first readable one of a random sequence that (seed, epoch, index) decides. */
  async #make(epoch: number, index: number, out: Float32Array): Promise<Sample> {
    const { seed, training } = this.#options;
    const replacements = new Philox(seed, "replacement", epoch, index);
    const failures: SkippedImage[] = [];
    for (let candidate = index; failures.length < MAX_REPLACEMENTS; candidate = replacements.int(this.dataset.size)) {
      try {
        await this.#produce(candidate, epoch, index, out);
        return { index: candidate, failures };
      } catch (error) {
        if (!(error instanceof UnreadableImageError)) throw error;
        failures.push({ name: this.dataset.name(candidate), error: error.message });
        if (!training) break;
      }
    }
    return { index: null, failures };
  }

  async #produce(candidate: number, epoch: number, index: number, out: Float32Array): Promise<void> {
    const { seed, transform } = this.#options;
    const source = this.dataset.file(candidate) ?? (await readImage(() => this.dataset.read(candidate)));
    if (this.#workers === 0) {
      const image = typeof source === "string" ? await this.#lanes.run(() => readImage(() => decodeImage(source))) : source;
      makeSample(image, { epoch, index }, seed, transform, out);
    } else {
      this.#pool ??= new SamplePool(this.#workers, { seed, transform });
      out.set(await this.#pool.run({ source, epoch, index }));
    }
  }

  /** Counts in the order of the batches, so that a run fails at the same one however many workers there are. */
  #account(batch: ImageBatch, failures: readonly SkippedImage[]): void {
    for (const skipped of failures) {
      this.#failed += 1;
      if (this.#reported.has(skipped.name)) continue;
      this.#reported.set(skipped.name, skipped.error);
      this.#options.onSkip?.(skipped);
    }
    this.#seen += batch.names.length + failures.length;
    const incomplete = this.#options.training && batch.names.length < this.#options.batchSize;
    const judged = Math.max(this.#seen, Math.min(this.dataset.size, WARM_UP));
    if (incomplete || this.#failed > Math.max(MIN_FAILURES, MAX_FAILED_PART * judged)) {
      const [name, error] = [...this.#reported].at(-1)!;
      throw new Error(
        `${this.dataset.description}: ${this.#failed} of ${this.#seen} images couldn't be read, such as ${name} (${error})\n` +
          "at most 1 % may fail: repair or remove them",
      );
    }
  }

  #orderOf(epoch: number): Int32Array {
    const { seed, training } = this.#options;
    if (this.#order?.epoch !== epoch) {
      const indices = Int32Array.from({ length: this.dataset.size }, (_, index) => index);
      this.#order = { epoch, indices: training ? new Philox(seed, "order", epoch).shuffle(indices) : indices };
    }
    return this.#order.indices;
  }
}

/** Images in memory are made faster than messages to workers; files are decoded on every core but the caller's. */
function defaultWorkers(dataset: ImageDataset): number {
  const inFiles = dataset.size > 0 && dataset.file(0) !== null;
  return inFiles ? Math.min(16, Math.max(1, availableParallelism() - 1)) : 0;
}

function expectWhole(name: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new RangeError(`image loader: ${name}: expected a whole number from ${minimum}, got ${value}`);
  }
}
