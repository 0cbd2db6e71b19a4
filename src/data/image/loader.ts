/** Batches of augmented images in a reproducible order, made ahead of the training step. */
import { availableParallelism } from "node:os";
import { BatchLoader, type Skipped } from "../batch-loader.js";
import { fixedSizePlan } from "../batch-plan.js";
import { Lanes } from "../lanes.js";
import { readSample } from "../unreadable.js";
import { WorkerPool, workerScript } from "../worker-pool.js";
import type { ImageDataset, RawImage } from "./dataset.js";
import { decodeImage } from "./decode.js";
import { makeSample, type SampleJob, type SampleSettings } from "./sample.js";
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
  readonly onSkip?: (skipped: Skipped) => void;
}

/** Images decoded at once where there are no workers. */
const LANES = 4;

/** Gives the batches of a data set; see {@link BatchLoader}. */
export class ImageLoader {
  readonly dataset: ImageDataset;
  readonly #options: LoaderOptions;
  readonly #workers: number;
  readonly #loader: BatchLoader<Float32Array>;
  readonly #lanes = new Lanes(LANES);
  #pool: WorkerPool<SampleJob> | undefined;

  /**
   * @throws where the set has fewer images than a training batch
   */
  constructor(dataset: ImageDataset, options: LoaderOptions) {
    const { batchSize, training, workers, ahead = 2, seed, onSkip } = options;
    expectWhole("batchSize", batchSize, 1);
    if (workers !== undefined) expectWhole("workers", workers, 0);
    expectWhole("ahead", ahead, 1);
    if (training && dataset.size < batchSize) {
      throw new Error(`${dataset.description}: fewer images than a batch of ${batchSize}\nset train.batchSize to at most ${dataset.size}`);
    }
    this.dataset = dataset;
    this.#options = options;
    this.#workers = workers ?? defaultWorkers(dataset);
    this.#loader = new BatchLoader(
      {
        description: dataset.description,
        size: dataset.size,
        name: (index) => dataset.name(index),
        make: (candidate, epoch, index) => this.#make(candidate, epoch, index),
      },
      {
        plan: fixedSizePlan(dataset.size, batchSize, seed, training),
        seed,
        training,
        ahead: this.#workers === 0 ? 0 : ahead,
        onSkip,
      },
    );
  }

  /** Batches in one pass over the data. */
  get stepsPerEpoch(): number {
    return this.#loader.batchesPerEpoch;
  }

  /** Images that couldn't be read so far, each time counted. */
  get skipped(): number {
    return this.#loader.skipped;
  }

  /** The batches from a step on, see {@link BatchLoader.from}. */
  async *from(step: number): AsyncGenerator<ImageBatch, void, undefined> {
    const { channels, size } = this.#options.transform;
    const length = channels * size * size;
    for await (const { samples, indices, names, epoch, step: number } of this.#loader.from(step)) {
      const pixels = new Float32Array(samples.length * length);
      for (const [position, sample] of samples.entries()) pixels.set(sample, position * length);
      const labels = indices.map((index) => this.dataset.label(index));
      yield { pixels, shape: [samples.length, channels, size, size], labels, names, indices, epoch, step: number };
    }
  }

  /** Ends the worker threads. Not needed for the process to end. */
  async close(): Promise<void> {
    await this.#pool?.close();
    this.#pool = undefined;
  }

  async #make(candidate: number, epoch: number, index: number): Promise<Float32Array> {
    const { seed, transform } = this.#options;
    const source = this.dataset.file(candidate) ?? (await readSample(() => this.dataset.read(candidate)));
    if (this.#workers === 0) {
      const image = typeof source === "string" ? await this.#lanes.run(() => readSample(() => decodeImage(source))) : source;
      return makeSample(image, { epoch, index }, seed, transform);
    }
    const settings: SampleSettings = { seed, transform };
    this.#pool ??= new WorkerPool({ script: workerScript("image/worker.js"), workers: this.#workers, settings });
    return this.#pool.run({ source: typeof source === "string" ? source : detached(source), epoch, index });
  }
}

/** An image that can be posted: a view of a larger array would carry all of it along. */
function detached(image: RawImage): RawImage {
  return image.data.byteLength === image.data.buffer.byteLength ? image : { ...image, data: image.data.slice() };
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
