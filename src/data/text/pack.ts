/** Packs sentences into the blocks a model is trained on as fairseq does. */

/**
 * How sentences become blocks:
 * `complete_doc` whole sentences of one document, as many as fit; `complete` the same across documents; `none` slices of the token stream;
 * `eos` one sentence a block.
 */
export type PackMode = "complete_doc" | "complete" | "none" | "eos";

/** All modes. */
export const PACK_MODES: readonly PackMode[] = ["complete_doc", "complete", "none", "eos"];

/** Stretches of a token stream, and what was left out of it. */
export interface PackedBlocks {
  /** First token of each block. */
  readonly starts: Float64Array;
  /** Tokens in each block. */
  readonly lengths: Uint32Array;
  /** Blocks left out because a single sentence is longer than a block. */
  readonly tooLong: number;
  /** Blocks left out because they had one token, or none. */
  readonly tooShort: number;
}

/** Cuts a stream into blocks while its sentences come by. */
export class Packer {
  #starts = new Float64Array(1024);
  #lengths = new Uint32Array(1024);
  #count = 0;
  #tooLong = 0;
  #tooShort = 0;
  /** Where the block in the making begins, and how many tokens it has. */
  #start = 0;
  #length = 0;

  /** @param maxLength most tokens in a block */
  constructor(
    private readonly mode: PackMode,
    private readonly maxLength: number,
  ) {}

  /** Takes the next sentence of `length` tokens, its `</s>` among them; a length of 1 is the end of a document. */
  add(length: number): void {
    if (this.mode === "none") {
      this.#length += length;
      while (this.#length >= this.maxLength) this.#cut(this.maxLength);
      return;
    }
    const separator = this.mode !== "complete" && length === 1;
    const full = this.mode === "eos" || separator || this.#length + length > this.maxLength;
    if (this.#length > 0 && full) this.#cut(this.#length);
    if (separator) this.#start += 1;
    else this.#length += length;
  }

  /** The blocks, once all sentences were taken. */
  finish(): PackedBlocks {
    if (this.#length > 0) this.#cut(this.#length);
    return {
      starts: this.#starts.slice(0, this.#count),
      lengths: this.#lengths.slice(0, this.#count),
      tooLong: this.#tooLong,
      tooShort: this.#tooShort,
    };
  }

  /** Ends a block after `length` of the tokens in the making. */
  #cut(length: number): void {
    if (length > this.maxLength) this.#tooLong += 1;
    else if (length <= 1) this.#tooShort += 1;
    else {
      if (this.#count === this.#starts.length) this.#grow();
      this.#starts[this.#count] = this.#start;
      this.#lengths[this.#count++] = length;
    }
    this.#start += length;
    this.#length -= length;
  }

  #grow(): void {
    const [starts, lengths] = [this.#starts, this.#lengths];
    this.#starts = new Float64Array(2 * starts.length);
    this.#starts.set(starts);
    this.#lengths = new Uint32Array(2 * lengths.length);
    this.#lengths.set(lengths);
  }
}
