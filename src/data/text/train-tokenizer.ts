/** Learns the merges of a byte-level BPE from text: at each step the most frequent pair of neighbouring pieces becomes one. */
import { BYTE_CHARACTERS, words } from "./byte-level.js";
import type { Merge } from "./byte-pair-encoder.js";
import { Heap } from "./heap.js";
import { SPECIAL_TOKENS, Tokenizer } from "./tokenizer.js";
import { findSpecial, specialAsAdded } from "./vocabulary.js";

/** How a tokenizer is trained. */
export interface TokenizerTraining {
  /** Tokens in all: five special ones, 256 bytes, and merges. */
  readonly vocab: number;
  /** Pairs seen less often aren't merged, 2 by default. */
  readonly minFrequency?: number;
  /** Told now and then how far it is: lines read, then tokens made. */
  readonly onProgress?: (progress: { readonly lines: number; readonly tokens: number }) => void;
}

const MIN_VOCAB = BYTE_CHARACTERS.length + Object.keys(SPECIAL_TOKENS).length;
const MAX_VOCAB = 2 ** 20;
/** Pair of piece ids as one number: left * MAX_VOCAB + right. */
const pairKey = (left: number, right: number) => left * MAX_VOCAB + right;
/** Longer words, such as encoded binary data, teach nothing and would take most of the time. */
const MAX_WORD_BYTES = 1024;
const LINES_PER_REPORT = 1 << 16;
const MERGES_PER_REPORT = 256;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Trains a tokenizer on lines of text, read once. Memory grows with the number of different words. The same lines give the same tokenizer:
 * of pairs equally frequent, the one whose pieces are older (bytes in the order of their characters) comes first, as in Hugging Face's
 * trainer. A small text may not have enough pairs; the vocabulary is smaller then.
 *
 * @throws where `vocab` is below 261, or there is no text
 */
export async function trainTokenizer(
  lines: Iterable<string> | AsyncIterable<string>,
  { vocab, minFrequency = 2, onProgress }: TokenizerTraining,
): Promise<Tokenizer> {
  if (!Number.isInteger(vocab) || vocab < MIN_VOCAB || vocab > MAX_VOCAB) {
    throw new RangeError(`trainTokenizer: vocab: expected a whole number from ${MIN_VOCAB} to ${MAX_VOCAB}, got ${vocab}`);
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 1) {
    throw new RangeError(`trainTokenizer: minFrequency: expected a whole number from 1, got ${minFrequency}`);
  }
  const report = onProgress ?? (() => {});
  const { bos, pad, eos, unk, mask } = SPECIAL_TOKENS;
  const pieces: string[] = [bos, pad, eos, unk, ...BYTE_CHARACTERS.toSorted()];
  const counts = await countWords(lines, (read) => report({ lines: read, tokens: pieces.length + 1 }));
  if (counts.words.size === 0) throw new Error("trainTokenizer: there is no text to learn from");

  const merges: Merge[] = [];
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const forbidden = new Set<string>(Object.values(SPECIAL_TOKENS));
  const pairs = new PairCounts(counts.words, ids);
  while (pieces.length + 1 < vocab) {
    const best = pairs.popMostFrequent(minFrequency);
    if (best === undefined) break;
    const piece = pieces[best.left]! + pieces[best.right]!;
    // A special token's text is never one piece: in the vocabulary it would be the special token.
    if (forbidden.has(piece)) continue;
    let id = ids.get(piece);
    if (id === undefined) {
      id = pieces.push(piece) - 1;
      ids.set(piece, id);
    }
    merges.push([pieces[best.left]!, pieces[best.right]!]);
    pairs.merge(best, id);
    if (merges.length % MERGES_PER_REPORT === 0) report({ lines: counts.lines, tokens: pieces.length + 1 });
  }
  const vocabulary = new Map([...pieces, mask].map((piece, id) => [piece, id]));
  const special = findSpecial("trainTokenizer", (content) => vocabulary.get(content));
  return new Tokenizer({ vocabulary, merges, special, added: specialAsAdded(special), addPrefixSpace: false });
}

async function countWords(lines: Iterable<string> | AsyncIterable<string>, report: (lines: number) => void) {
  const counts = new Map<string, { count: number }>();
  let read = 0;
  for await (const line of lines) {
    for (const word of words(line)) {
      const known = counts.get(word);
      if (known !== undefined) known.count += 1;
      // A copy of the word: as a part of its line it would keep all of that in memory.
      else counts.set(fromUtf8.decode(utf8.encode(word)), { count: 1 });
    }
    if (++read % LINES_PER_REPORT === 0) report(read);
  }
  return { words: counts, lines: read };
}

interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** Words it was seen in, some of them perhaps no longer or twice. */
  words: number[];
}

/** A pair as it was when it was last put in order. */
interface Ranked {
  readonly pair: Pair;
  readonly count: number;
}

/** How often each pair of neighbouring pieces occurs, kept up to date from merge to merge. */
class PairCounts {
  readonly #words: number[][] = [];
  readonly #frequencies: number[] = [];
  readonly #pairs = new Map<number, Pair>();
  readonly #queue = new Heap<Ranked>(
    (a, b) =>
      a.count > b.count ||
      (a.count === b.count && (a.pair.left < b.pair.left || (a.pair.left === b.pair.left && a.pair.right < b.pair.right))),
  );

  constructor(words: ReadonlyMap<string, { readonly count: number }>, ids: ReadonlyMap<string, number>) {
    const byteIds = BYTE_CHARACTERS.map((character) => ids.get(character)!);
    for (const [word, { count }] of words) {
      const bytes = utf8.encode(word);
      if (bytes.length > MAX_WORD_BYTES) continue;
      const index = this.#words.push(Array.from(bytes, (byte) => byteIds[byte]!)) - 1;
      this.#frequencies.push(count);
      const pieces = this.#words[index]!;
      for (let i = 0; i + 1 < pieces.length; i++) this.#add(pieces[i]!, pieces[i + 1]!, count, index);
    }
    for (const pair of this.#pairs.values()) this.#queue.push({ pair, count: pair.count });
  }

  /** Takes out the most frequent pair; undefined where none is seen `minimum` times. */
  popMostFrequent(minimum: number): Pair | undefined {
    for (let top = this.#queue.pop(); top !== undefined; top = this.#queue.pop()) {
      const { pair, count } = top;
      if (pair.count === count) return count >= minimum ? pair : undefined;
      if (pair.count >= minimum) this.#queue.push({ pair, count: pair.count });
    }
    return undefined;
  }

  /** Makes every occurrence of a pair the piece `id`, from left to right. */
  merge(pair: Pair, id: number): void {
    const { left, right, words } = pair;
    const grown = new Set<Pair>();
    pair.words = [];
    for (const index of words) {
      const pieces = this.#words[index]!;
      const frequency = this.#frequencies[index]!;
      const grow = (a: number, b: number) => grown.add(this.#add(a, b, frequency, index));
      const shrink = (a: number, b: number) => this.#remove(a, b, frequency);
      let kept = 0;
      for (let i = 0; i < pieces.length; i++, kept++) {
        if (pieces[i] !== left || pieces[i + 1] !== right) {
          pieces[kept] = pieces[i]!;
          continue;
        }
        if (kept > 0) {
          shrink(pieces[kept - 1]!, left);
          grow(pieces[kept - 1]!, id);
        }
        if (i + 2 < pieces.length) {
          shrink(right, pieces[i + 2]!);
          grow(id, pieces[i + 2]!);
        }
        pieces[kept] = id;
        i += 1;
      }
      pieces.length = kept;
    }
    pair.count = 0;
    for (const each of grown) if (each.count > 0) this.#queue.push({ pair: each, count: each.count });
  }

  #add(left: number, right: number, count: number, word: number): Pair {
    const key = pairKey(left, right);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { left, right, count: 0, words: [] };
      this.#pairs.set(key, pair);
    }
    pair.count += count;
    if (pair.words.at(-1) !== word) pair.words.push(word);
    return pair;
  }

  #remove(left: number, right: number, count: number): void {
    const pair = this.#pairs.get(pairKey(left, right));
    if (pair !== undefined) pair.count -= count;
  }
}
