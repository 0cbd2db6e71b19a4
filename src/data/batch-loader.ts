/** Batches of samples of any kind in a reproducible order, made ahead of the training step. */
import { Philox } from "../backend/philox.js";
import type { BatchPlan } from "./batch-plan.js";
import { UnreadableError } from "./unreadable.js";

/** A sample that couldn't be read. */
export interface Skipped {
  readonly name: string;
  readonly error: string;
}

/** A batch of samples. */
export interface LoadedBatch<S> {
  readonly samples: readonly S[];
  /** Place of each sample in the data set. */
  readonly indices: Int32Array;
  readonly names: readonly string[];
  readonly epoch: number;
  /** Number of the batch since the start of training. */
  readonly step: number;
}

/** What a loader reads from. */
export interface SampleSource<S> {
  /** For people: what it is, where it is. */
  readonly description: string;
  readonly size: number;
  /** A name that finds the sample again. */
  name(index: number): string;
  /**
   * Makes the sample `candidate` for the place of sample `index` in the epoch: the same unless that one couldn't be read. Random choices
   * depend on (epoch, index).
   *
   * @throws UnreadableError where the sample is to be skipped
   */
  make(candidate: number, epoch: number, index: number): Promise<S>;
  /** Draws a sample to take the place of one that couldn't be read; any of the set where this is left out. */
  replacement?(index: number, random: Philox): number;
}

/** How batches are made. */
export interface BatchLoaderOptions {
  readonly plan: BatchPlan;
  readonly seed: number;
  /** True: endless, an unreadable sample replaced by another. False: one pass, unreadable samples left out. */
  readonly training: boolean;
  /** Batches made ahead of the one asked for. */
  readonly ahead: number;
  /** Told once of every sample that couldn't be read. */
  readonly onSkip?: (skipped: Skipped) => void;
}

interface Attempt<S> {
  /** The sample, and the one it was made of; null where it couldn't be read and isn't replaced. */
  readonly made: { readonly index: number; readonly sample: S } | null;
  readonly failures: readonly Skipped[];
}

interface Assembled<S> {
  readonly batch: LoadedBatch<S>;
  readonly wanted: number;
  readonly failures: readonly Skipped[];
}

const MAX_FAILED_PART = 0.01;
/** So many failures are borne in any case: 1 % of a small set would be none. */
const MIN_FAILURES = 3;
/** Of the first so many samples, 1 % of all may fail before it is an error, so that an unlucky start isn't. */
const WARM_UP = 1000;
const MAX_REPLACEMENTS = 32;

/**
 * Gives the batches of a data set. Which samples a batch holds is a pure function of its number, and what is done to each one of
 * (epoch, index), so batches are the same whatever the number of workers, and from whichever step one starts.
 */
export class BatchLoader<S> {
  /** The error of each sample that couldn't be read, by name. */
  readonly #reported = new Map<string, string>();
  #seen = 0;
  #failed = 0;

  constructor(
    private readonly source: SampleSource<S>,
    private readonly options: BatchLoaderOptions,
  ) {}

  /** Batches in one pass over the data. */
  get batchesPerEpoch(): number {
    return this.options.plan.batchesPerEpoch;
  }

  /** Samples that couldn't be read so far, each time counted. */
  get skipped(): number {
    return this.#failed;
  }

  /**
   * The batches from a step on: without end in training, else to the end of the data. Breaking out of the loop is all it takes to stop.
   *
   * @throws where more than 1 % of the samples can't be read (and more than three), or making one fails otherwise
   */
  async *from(step: number): AsyncGenerator<LoadedBatch<S>, void, undefined> {
    if (!Number.isSafeInteger(step) || step < 0) throw new RangeError(`loader: step: expected a whole number from 0, got ${step}`);
    const { training, ahead } = this.options;
    const end = training ? Number.POSITIVE_INFINITY : this.batchesPerEpoch;
    const queue: Promise<Assembled<S>>[] = [];
    let next = step;
    for (;;) {
      for (; queue.length <= ahead && next < end; next++) {
        const assembled = this.#assemble(next);
        // A failure counts when its turn comes; until then nobody listens.
        assembled.catch(() => {});
        queue.push(assembled);
      }
      const first = queue.shift();
      if (first === undefined) return;
      const assembled = await first;
      this.#account(assembled);
      if (assembled.batch.samples.length > 0) yield assembled.batch;
    }
  }

  async #assemble(step: number): Promise<Assembled<S>> {
    const epoch = Math.floor(step / this.batchesPerEpoch);
    const wanted = this.options.plan.indices(epoch, step % this.batchesPerEpoch);
    const attempts = await Promise.all(Array.from(wanted, (index) => this.#make(epoch, index)));
    const made = attempts.flatMap((attempt) => attempt.made ?? []);
    const batch: LoadedBatch<S> = {
      samples: made.map(({ sample }) => sample),
      indices: Int32Array.from(made, ({ index }) => index),
      names: made.map(({ index }) => this.source.name(index)),
      epoch,
      step,
    };
    return { batch, wanted: wanted.length, failures: attempts.flatMap(({ failures }) => failures) };
  }

  /** Makes the sample at `index`, or the first readable one of a random sequence that (seed, epoch, index) decides. */
  async #make(epoch: number, index: number): Promise<Attempt<S>> {
    const { seed, training } = this.options;
    const replacements = new Philox(seed, "replacement", epoch, index);
    const failures: Skipped[] = [];
    const replacement = () => this.source.replacement?.(index, replacements) ?? replacements.int(this.source.size);
    for (let candidate = index; failures.length < MAX_REPLACEMENTS; candidate = replacement()) {
      try {
        return { made: { index: candidate, sample: await this.source.make(candidate, epoch, index) }, failures };
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error;
        failures.push({ name: this.source.name(candidate), error: error.message });
        if (!training) break;
      }
    }
    return { made: null, failures };
  }

  /** Counts in the order of the batches, so that a run fails at the same one however many workers there are. */
  #account({ batch, wanted, failures }: Assembled<S>): void {
    for (const skipped of failures) {
      this.#failed += 1;
      if (this.#reported.has(skipped.name)) continue;
      this.#reported.set(skipped.name, skipped.error);
      this.options.onSkip?.(skipped);
    }
    this.#seen += batch.samples.length + failures.length;
    const incomplete = this.options.training && batch.samples.length < wanted;
    const judged = Math.max(this.#seen, Math.min(this.source.size, WARM_UP));
    if (incomplete || this.#failed > Math.max(MIN_FAILURES, MAX_FAILED_PART * judged)) {
      const [name, error] = [...this.#reported].at(-1)!;
      throw new Error(
        `${this.source.description}: ${this.#failed} of ${this.#seen} samples couldn't be read, such as ${name} (${error})\n` +
          "at most 1 % may fail: repair or remove them",
      );
    }
  }
}
