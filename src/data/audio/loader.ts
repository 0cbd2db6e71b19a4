/** Batches of clips of similar length in a reproducible order, decoded ahead of the training step. */
import { availableParallelism } from "node:os";
import { Philox } from "../../backend/philox.js";
import { BatchLoader, type LoadedBatch, type Skipped } from "../batch-loader.js";
import { Lanes } from "../lanes.js";
import { type LengthLimits, lengthBucketPlan, lengthReplacement, sequentialPlan } from "../length-plan.js";
import { readSample, UnreadableError } from "../unreadable.js";
import { WorkerPool, workerScript } from "../worker-pool.js";
import { type ClipOptions, prepareClip, readClip } from "./clip.js";
import type { AudioDataset } from "./dataset.js";

type Clip = Float32Array<ArrayBuffer>;

/** A batch, ready for the device. */
export interface AudioBatch {
  /** (size, samples); zeros after the end of a clip. */
  readonly waveform: Float32Array;
  readonly shape: readonly [size: number, samples: number];
  /** Samples of each clip. */
  readonly lengths: Int32Array;
  /** Class of each clip; -1 where the data have no labels. */
  readonly labels: Int32Array;
  /** What is said in each clip; null where there is no transcript. */
  readonly transcripts: readonly (string | null)[];
  readonly names: readonly string[];
  /** Place of each clip in the data set. */
  readonly indices: Int32Array;
  readonly epoch: number;
  /** Number of the batch since the start of training. */
  readonly step: number;
}

/** How to make batches. */
export interface AudioLoaderOptions {
  /**
   * `crop`, for pretraining: every clip of a batch is cut at random to the shortest of them, or `maxSeconds`; nothing is padded. `pad`, for
   * supervised training and evaluation: whole clips, zeros after the shorter ones.
   */
  readonly mode: "crop" | "pad";
  /** Most seconds in a batch, counted as number of clips times the longest. */
  readonly batchSeconds: number;
  /** Most clips in a batch. */
  readonly batchSize: number;
  /** Longest crop; only for `crop`. */
  readonly maxSeconds?: number;
  /** Shorter clips are followed by others, drawn at random, up to this length; only for `crop`. 0, the default, leaves them short. */
  readonly joinSeconds?: number;
  /** Zero mean and unit variance over each whole clip, before it is cut or padded. */
  readonly normalize: boolean;
  /** Clips of fewer samples count as unreadable; 400 by default, the receptive field of the published models. */
  readonly minSamples?: number;
  readonly seed: number;
  /**
   * True: endless, batches of clips of similar length in another order every epoch, an unreadable clip replaced by one of about its length.
   * False: one pass in order, unreadable clips left out.
   */
  readonly training: boolean;
  /** Threads that decode; 0 does it in this thread when a batch is asked for. Batches don't depend on it. */
  readonly workers?: number;
  /** Batches made ahead by the workers, 2 by default. */
  readonly ahead?: number;
  /** A set whose decoded clips take no more than so many bytes is decoded once and kept; 256 MiB by default. */
  readonly cacheBytes?: number;
  /** Told once of every clip that couldn't be read. */
  readonly onSkip?: (skipped: Skipped) => void;
}

const RECEPTIVE_FIELD = 400;
const CACHE_BYTES = 256 * 2 ** 20;
/** Clips drawn to fill up one sample, at most. */
const MAX_JOINED = 1000;
/** Files read at once where there are no workers. */
const LANES = 4;

/** Gives the batches of a data set; see {@link BatchLoader}. */
export class AudioLoader {
  readonly dataset: AudioDataset;
  readonly #options: AudioLoaderOptions;
  readonly #clipOptions: ClipOptions;
  readonly #maxSamples: number;
  readonly #joinSamples: number;
  readonly #workers: number;
  readonly #loader: BatchLoader<Clip>;
  readonly #lanes = new Lanes(LANES);
  /** Decoded clips by index; null where the set is too large to keep. */
  readonly #cache: Map<number, Clip> | null;
  #cachedBytes = 0;
  #pool: WorkerPool<string> | undefined;

  /**
   * @throws where a clip alone is longer than a batch may be
   */
  constructor(dataset: AudioDataset, options: AudioLoaderOptions) {
    checkOptions(options);
    const { mode, batchSeconds, batchSize, maxSeconds, normalize, minSamples = RECEPTIVE_FIELD, seed, training, ahead = 2 } = options;
    const { sampleRate } = dataset;
    this.dataset = dataset;
    this.#options = options;
    this.#clipOptions = { sampleRate, normalize, minSamples };
    this.#workers = options.workers ?? defaultWorkers(dataset);
    const budget = Math.floor(batchSeconds * sampleRate);
    this.#maxSamples = mode === "crop" ? Math.min(budget, Math.floor((maxSeconds ?? batchSeconds) * sampleRate)) : Number.POSITIVE_INFINITY;
    this.#joinSamples = mode === "crop" ? Math.min(this.#maxSamples, Math.floor((options.joinSeconds ?? 0) * sampleRate)) : 0;
    if (this.#maxSamples < minSamples) {
      throw new RangeError(
        `audio loader: maxSeconds: crops of ${this.#maxSamples} samples are shorter than the ${minSamples} that a model needs`,
      );
    }
    const own = lengthsOf(dataset, { minSamples, maxSamples: this.#maxSamples, budget });
    const limits: LengthLimits = {
      lengths: own.map((length) => (length === 0 ? 0 : Math.max(length, this.#joinSamples))),
      budget,
      batchSize,
    };
    const total = Float64Array.from({ length: dataset.size }, (_, index) => dataset.duration(index)).reduce(
      (sum, samples) => sum + samples,
      0,
    );
    this.#cache = total * Float32Array.BYTES_PER_ELEMENT <= this.#cacheBytes ? new Map() : null;
    this.#loader = new BatchLoader(
      {
        description: dataset.description,
        size: dataset.size,
        name: (index) => dataset.name(index),
        make: (candidate, epoch, index) => this.#sample(candidate, epoch, index),
        replacement: lengthReplacement(limits),
      },
      {
        plan: training ? lengthBucketPlan(limits, seed) : sequentialPlan(limits),
        seed,
        training,
        ahead: this.#workers === 0 ? 0 : ahead,
        onSkip: options.onSkip,
      },
    );
  }

  /** Batches in one pass over the data. */
  get stepsPerEpoch(): number {
    return this.#loader.batchesPerEpoch;
  }

  /** Clips that couldn't be read so far, each time counted. */
  get skipped(): number {
    return this.#loader.skipped;
  }

  /** The batches from a step on, see {@link BatchLoader.from}. */
  async *from(step: number): AsyncGenerator<AudioBatch, void, undefined> {
    for await (const loaded of this.#loader.from(step)) yield this.#assemble(loaded);
  }

  /** Ends the worker threads. Not needed for the process to end. */
  async close(): Promise<void> {
    await this.#pool?.close();
    this.#pool = undefined;
  }

  #assemble({ samples: clips, indices, names, epoch, step }: LoadedBatch<Clip>): AudioBatch {
    const { mode, seed } = this.#options;
    const crop = mode === "crop";
    const lengths = clips.map((clip) => clip.length);
    const samples = crop ? Math.min(this.#maxSamples, ...lengths) : Math.max(...lengths);
    const waveform = new Float32Array(clips.length * samples);
    for (const [row, clip] of clips.entries()) {
      const start = crop ? new Philox(seed, "crop", epoch, indices[row]!).int(clip.length - samples + 1) : 0;
      waveform.set(crop ? clip.subarray(start, start + samples) : clip, row * samples);
    }
    return {
      waveform,
      shape: [clips.length, samples],
      lengths: Int32Array.from(lengths, (length) => Math.min(length, samples)),
      labels: indices.map((index) => this.dataset.label(index)),
      transcripts: Array.from(indices, (index) => this.dataset.transcript(index)),
      names,
      indices,
      epoch,
      step,
    };
  }

  /** A clip, with others behind it where it is too short to stand alone. */
  async #sample(candidate: number, epoch: number, index: number): Promise<Clip> {
    const clip = await this.#clip(candidate);
    if (clip.length >= this.#joinSamples) return clip;
    const random = new Philox(this.#options.seed, "join", epoch, index);
    // A random beginning, so that the first clip doesn't always start at 0.
    const start = random.int(clip.length);
    const parts = [clip.subarray(start)];
    let length = clip.length - start;
    for (let tries = 0; length < this.#joinSamples && tries < MAX_JOINED; tries++) {
      const next = await this.#clip(random.int(this.dataset.size)).catch((error) => {
        // It is told of when its own turn comes.
        if (error instanceof UnreadableError) return null;
        throw error;
      });
      if (next === null) continue;
      parts.push(next);
      length += next.length;
    }
    const joined = new Float32Array(Math.min(length, this.#joinSamples));
    let at = 0;
    for (const part of parts) {
      joined.set(part.subarray(0, joined.length - at), at);
      at = Math.min(at + part.length, joined.length);
    }
    return joined;
  }

  async #clip(index: number): Promise<Clip> {
    const known = this.#cache?.get(index);
    if (known !== undefined) return known;
    const clip = await this.#decode(index);
    if (this.#cache !== null && !this.#cache.has(index) && this.#cachedBytes + clip.byteLength <= this.#cacheBytes) {
      this.#cache.set(index, clip);
      this.#cachedBytes += clip.byteLength;
    }
    return clip;
  }

  async #decode(index: number): Promise<Clip> {
    const options = this.#clipOptions;
    const file = this.dataset.file(index);
    if (file === null) return readSample(async () => prepareClip(await this.dataset.read(index), options));
    if (this.#workers === 0) return this.#lanes.run(() => readSample(() => readClip(file, options)));
    this.#pool ??= new WorkerPool({ script: workerScript("audio/worker.js"), workers: this.#workers, settings: options });
    return this.#pool.run(file);
  }

  get #cacheBytes(): number {
    return this.#options.cacheBytes ?? CACHE_BYTES;
  }
}

/** The length of each clip in a batch; 0 where it isn't known or the clip can't be used. */
function lengthsOf(dataset: AudioDataset, limits: { minSamples: number; maxSamples: number; budget: number }): Float64Array {
  const { minSamples, maxSamples, budget } = limits;
  return Float64Array.from({ length: dataset.size }, (_, index) => {
    const length = Math.min(dataset.duration(index), maxSamples);
    if (length < minSamples) return 0;
    if (length > budget) {
      const seconds = (samples: number) => `${(samples / dataset.sampleRate).toFixed(1)} s`;
      throw new Error(
        `${dataset.description}: ${dataset.name(index)} lasts ${seconds(length)}, more than a batch of ${seconds(budget)}\n` +
          "raise data.batchSeconds, or leave out long clips with data.maxSeconds",
      );
    }
    return length;
  });
}

/** Clips in memory are made faster than messages to workers; files are decoded on every core but the caller's. */
function defaultWorkers(dataset: AudioDataset): number {
  const inFiles = dataset.size > 0 && dataset.file(0) !== null;
  return inFiles ? Math.min(16, Math.max(1, availableParallelism() - 1)) : 0;
}

function checkOptions({ batchSeconds, batchSize, maxSeconds, joinSeconds = 0, minSamples, workers, ahead }: AudioLoaderOptions): void {
  const whole = (name: string, value: number | undefined, minimum: number) => {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < minimum)) {
      throw new RangeError(`audio loader: ${name}: expected a whole number from ${minimum}, got ${value}`);
    }
  };
  whole("batchSize", batchSize, 1);
  whole("minSamples", minSamples, 1);
  whole("workers", workers, 0);
  whole("ahead", ahead, 1);
  if (!(joinSeconds >= 0 && Number.isFinite(joinSeconds))) {
    throw new RangeError(`audio loader: joinSeconds: expected a number from 0, got ${joinSeconds}`);
  }
  for (const [name, value] of Object.entries({ batchSeconds, maxSeconds })) {
    if (value !== undefined && !(value > 0 && Number.isFinite(value))) {
      throw new RangeError(`audio loader: ${name}: expected a number above 0, got ${value}`);
    }
  }
}
