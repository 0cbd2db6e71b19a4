/** Batches of padded token sequences in a reproducible order. */
import { BatchLoader, type Skipped } from "../batch-loader.js";
import type { BatchPlan } from "../batch-plan.js";
import { fixedSizePlan } from "../batch-plan.js";
import { type LengthLimits, lengthBucketPlan, sequentialPlan } from "../length-plan.js";
import type { TokenSource } from "./token-source.js";

/** Sequences in host memory, padded at the right to the longest. */
export interface TextBatch {
  /** (batch, time) */
  readonly tokens: Int32Array;
  readonly shape: readonly [batch: number, time: number];
  /** Tokens of each sequence that aren't padding. */
  readonly lengths: Int32Array;
  readonly names: readonly string[];
  /** Place of each sequence in the set. */
  readonly indices: Int32Array;
  readonly epoch: number;
  /** Number of the batch since the start of training. */
  readonly step: number;
}

/** How to make batches. */
export interface TextLoaderOptions {
  /** Most tokens in a batch, its padding among them; this or `batchSize` is given. */
  readonly batchTokens?: number;
  /** Most sequences in a batch. */
  readonly batchSize?: number;
  /** Id that fills sequences up. */
  readonly pad: number;
  readonly seed: number;
  /** True: endless, in a new order every epoch. False: one pass in the order of the set. */
  readonly training: boolean;
  /**
   * True (the default): in training, batches of similar length, see {@link lengthBucketPlan}. False: batches of any lengths, `batchSize` each; in
   * training the last partial one of an epoch is dropped.
   */
  readonly byLength?: boolean;
  /** Told once of every sequence that couldn't be read. */
  readonly onSkip?: (skipped: Skipped) => void;
}

/** Gives the batches of a set of token sequences; see {@link BatchLoader}. */
export class TextLoader {
  readonly #loader: BatchLoader<Int32Array>;

  /**
   * @throws where the limits of a batch are none, or the set is too small for one
   */
  constructor(
    readonly source: TokenSource,
    private readonly options: TextLoaderOptions,
  ) {
    const { seed, training, onSkip } = options;
    const plan = planOf(source, options);
    if (training && plan.batchesPerEpoch === 0) {
      throw new Error(
        `${source.description}: fewer sequences than a batch of ${options.batchSize}\nset batchSize to at most ${source.size}`,
      );
    }
    this.#loader = new BatchLoader(
      {
        description: source.description,
        size: source.size,
        name: (index) => source.name(index),
        make: (candidate) => source.read(candidate),
      },
      { plan, seed, training, ahead: 1, onSkip },
    );
  }

  /** Batches in one pass over the data. */
  get stepsPerEpoch(): number {
    return this.#loader.batchesPerEpoch;
  }

  /** Sequences that couldn't be read so far, each time counted. */
  get skipped(): number {
    return this.#loader.skipped;
  }

  /** The batches from a step on, see {@link BatchLoader.from}. */
  async *from(step: number): AsyncGenerator<TextBatch, void, undefined> {
    for await (const { samples, indices, names, epoch, step: number } of this.#loader.from(step)) {
      yield { ...padded(samples, this.options.pad), indices, names, epoch, step: number };
    }
  }
}

/** Sequences as the rows of one array, filled up at the right. */
export function padded(sequences: readonly Int32Array[], pad: number): Pick<TextBatch, "tokens" | "shape" | "lengths"> {
  const lengths = Int32Array.from(sequences, ({ length }) => length);
  const time = lengths.reduce((longest, length) => Math.max(longest, length), 0);
  const tokens = new Int32Array(sequences.length * time).fill(pad);
  for (const [row, sequence] of sequences.entries()) tokens.set(sequence, row * time);
  return { tokens, shape: [sequences.length, time], lengths };
}

function planOf(source: TokenSource, { batchSize, batchTokens, seed, training, byLength = true }: TextLoaderOptions): BatchPlan {
  if (byLength) {
    const limits = lengthLimits(source, batchSize, batchTokens);
    return training ? lengthBucketPlan(limits, seed) : sequentialPlan(limits);
  }
  if (batchTokens !== undefined) throw new RangeError("text loader: batchTokens: needs byLength");
  if (batchSize === undefined || !Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`text loader: batchSize: expected a whole number from 1, got ${batchSize}`);
  }
  return fixedSizePlan(source.size, batchSize, seed, training);
}

function lengthLimits(source: TokenSource, batchSize: number | undefined, batchTokens: number | undefined): LengthLimits {
  if (batchTokens === undefined && batchSize === undefined) throw new RangeError("batches: batchTokens or batchSize is needed");
  for (const [name, value] of Object.entries({ batchTokens, batchSize })) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) {
      throw new RangeError(`batches: ${name}: expected a whole number from 1, got ${value}`);
    }
  }
  const lengths = Int32Array.from({ length: source.size }, (_, index) => source.length(index));
  const most = lengths.reduce((longest, length) => Math.max(longest, length), 0);
  if (batchTokens !== undefined && most > batchTokens) {
    throw new RangeError(`batches: batchTokens: expected at least ${most}, the tokens of the longest sequence, got ${batchTokens}`);
  }
  return { lengths, budget: batchTokens ?? Number.POSITIVE_INFINITY, batchSize: batchSize ?? Number.POSITIVE_INFINITY };
}
