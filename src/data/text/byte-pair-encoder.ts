/** Byte-pair encoding of single words by ranked merges (Sennrich et al. 2016), with a memory of the words seen. */
import { BYTE_CHARACTERS } from "./byte-level.js";
import { Heap } from "./heap.js";

/** A pair of pieces that become one. */
export type Merge = readonly [left: string, right: string];

/** More pieces than any vocabulary has: a pair of ids is one whole number below 2^42. */
const MAX_PIECES = 2 ** 21;
/** Words remembered; when they are more, all are forgotten. */
const MAX_WORDS = 2 ** 17;
/** Longer words are seldom met again. */
const MAX_REMEMBERED_LENGTH = 64;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Turns words into ids. */
export class BytePairEncoder {
  readonly #seen = new Map<string, readonly number[]>();
  /** Piece of each byte. */
  readonly #bytes: Int32Array;
  /** Rank of a merge by its pair. */
  readonly #ranks = new Map<number, number>();
  /** Piece that the merge of each rank makes. */
  readonly #merged: Int32Array;
  readonly #size: number;

  /**
   * @param vocabulary ids of the pieces, in byte-level characters
   * @param merges pairs, the first merged first
   * @param unknown id of what the merges make but the vocabulary lacks
   */
  constructor(
    vocabulary: ReadonlyMap<string, number>,
    merges: readonly Merge[],
    private readonly unknown: number,
  ) {
    this.#size = 1 + [...vocabulary.values()].reduce((largest, id) => Math.max(largest, id), 0);
    // Pieces that the vocabulary lacks get ids above its own while a word is being merged.
    const missing = new Map<string, number>();
    const pieceId = (piece: string): number => {
      const id = vocabulary.get(piece) ?? missing.get(piece) ?? this.#size + missing.size;
      if (id >= this.#size) missing.set(piece, id);
      return id;
    };
    this.#bytes = Int32Array.from(BYTE_CHARACTERS, pieceId);
    this.#merged = new Int32Array(merges.length);
    for (const [rank, [left, right]] of merges.entries()) {
      const pair = pieceId(left) * MAX_PIECES + pieceId(right);
      if (!this.#ranks.has(pair)) this.#ranks.set(pair, rank);
      this.#merged[rank] = pieceId(left + right);
    }
    if (this.#size + missing.size > MAX_PIECES) throw new RangeError(`tokenizer: more than ${MAX_PIECES} pieces`);
  }

  /** Appends the ids of a word to `ids`. */
  append(word: string, ids: number[]): void {
    const known = this.#seen.get(word);
    if (known !== undefined) {
      for (let i = 0; i < known.length; i++) ids.push(known[i]!);
      return;
    }
    const bytes = utf8.encode(word);
    const encoded = this.#merge(bytes);
    for (const id of encoded) ids.push(id);
    if (bytes.length > MAX_REMEMBERED_LENGTH) return;
    if (this.#seen.size >= MAX_WORDS) this.#seen.clear();
    // A copy of the word: as a part of its text it would keep all of that in memory.
    this.#seen.set(fromUtf8.decode(bytes), encoded);
  }

  /** Merges of the lowest rank first, of equal rank from the left; in O(n log n), for words may be of any length. */
  #merge(bytes: Uint8Array): number[] {
    const length = bytes.length;
    const pieces = new Int32Array(length);
    const next = new Int32Array(length);
    const previous = new Int32Array(length);
    for (let at = 0; at < length; at++) {
      pieces[at] = this.#bytes[bytes[at]!]!;
      next[at] = at + 1;
      previous[at] = at - 1;
    }
    const rankAt = (at: number): number | undefined => {
      const right = next[at]!;
      return right < length ? this.#ranks.get(pieces[at]! * MAX_PIECES + pieces[right]!) : undefined;
    };
    // A merge in the heap is rank * 2^31 + position; it is out of date where the pair there has another rank by now.
    const heap = new Heap<number>((a, b) => a < b);
    const offer = (at: number): void => {
      const rank = rankAt(at);
      if (rank !== undefined) heap.push(rank * 2 ** 31 + at);
    };
    for (let at = 0; at + 1 < length; at++) offer(at);
    for (let merge = heap.pop(); merge !== undefined; merge = heap.pop()) {
      const at = merge % 2 ** 31;
      const rank = Math.floor(merge / 2 ** 31);
      if (pieces[at] === -1 || rankAt(at) !== rank) continue;
      const gone = next[at]!;
      const after = next[gone]!;
      pieces[at] = this.#merged[rank]!;
      pieces[gone] = -1;
      next[at] = after;
      if (after < length) previous[after] = at;
      if (previous[at]! >= 0) offer(previous[at]!);
      offer(at);
    }
    const ids: number[] = [];
    for (let at = 0; at < length; at = next[at]!) ids.push(pieces[at]! < this.#size ? pieces[at]! : this.unknown);
    return ids;
  }
}
