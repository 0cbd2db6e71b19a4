/** Labelled texts as token sequences, and batches of them. */
import type { LabelledText } from "./labelled-text.js";
import { type TextBatch, TextLoader } from "./loader.js";
import type { TokenSource } from "./token-source.js";
import type { Tokenizer } from "./tokenizer.js";

/**
 * `<s> A </s>`, or `<s> A </s> </s> B </s>` for two texts, of at most `maxLength` tokens: the longer text is cut first, of two equally long
 * ones the second.
 */
export function encodeExample(tokenizer: Tokenizer, text: string, pair: string | null, maxLength: number): Int32Array {
  const { bos, eos } = tokenizer.special;
  const first = tokenizer.encode(text);
  const second = pair === null ? null : tokenizer.encode(pair);
  const room = maxLength - (second === null ? 2 : 4);
  if (!Number.isInteger(maxLength) || room < 1) {
    throw new RangeError(`encodeExample: maxLength: expected a whole number from ${second === null ? 3 : 5}, got ${maxLength}`);
  }
  if (second === null) return Int32Array.of(bos, ...first.slice(0, room), eos);
  // Each text has half of the room, and what the other leaves of its half.
  const half = Math.ceil(room / 2);
  const a = Math.min(first.length, Math.max(half, room - second.length));
  const b = Math.min(second.length, Math.max(room - half, room - first.length));
  return Int32Array.of(bos, ...first.slice(0, a), eos, eos, ...second.slice(0, b), eos);
}

/** Labelled texts as token sequences; each is encoded when it is read. */
export function encodedTexts(set: LabelledText, tokenizer: Tokenizer, maxLength: number): TokenSource {
  const encode = (index: number) => encodeExample(tokenizer, set.text(index), set.textPair(index), maxLength);
  return {
    description: set.description,
    size: set.size,
    name: (index) => set.name(index),
    length: (index) => encode(index).length,
    read: async (index) => encode(index),
  };
}

/** A batch with what is to be predicted. */
export interface LabelledTextBatch extends TextBatch {
  /** Class of each text; -1 where the set has none. */
  readonly labels: Int32Array;
  /** Score of each text; NaN where the set has none. */
  readonly scores: Float32Array;
}

/** How to make batches of labelled texts. */
export interface LabelledTextLoaderOptions {
  readonly tokenizer: Tokenizer;
  /** Most tokens in a sequence; longer texts are cut. */
  readonly maxLength: number;
  readonly batchSize: number;
  readonly seed: number;
  /** True: endless, shuffled every epoch, the last partial batch dropped. False: one pass in order. */
  readonly training: boolean;
}

/** Gives the batches of labelled texts. */
export class LabelledTextLoader {
  readonly #loader: TextLoader;

  /**
   * @throws where the set has fewer texts than a training batch
   */
  constructor(
    readonly set: LabelledText,
    { tokenizer, maxLength, batchSize, seed, training }: LabelledTextLoaderOptions,
  ) {
    this.#loader = new TextLoader(encodedTexts(set, tokenizer, maxLength), {
      batchSize,
      seed,
      training,
      byLength: false,
      pad: tokenizer.special.pad,
    });
  }

  /** Batches in one pass over the data. */
  get stepsPerEpoch(): number {
    return this.#loader.stepsPerEpoch;
  }

  /** The batches from a step on; see the loader of token sequences. */
  async *from(step: number): AsyncGenerator<LabelledTextBatch, void, undefined> {
    for await (const batch of this.#loader.from(step)) {
      const labels = batch.indices.map((index) => this.set.label(index));
      yield { ...batch, labels, scores: Float32Array.from(batch.indices, (index) => this.set.score(index)) };
    }
  }
}
