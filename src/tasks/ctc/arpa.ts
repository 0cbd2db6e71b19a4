/** Backoff n-gram language models in ARPA files, plain or gzipped (Katz 1987; the format is that of SRILM and KenLM). */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { problemOf } from "../../data/unreadable.js";

/** The words before the next one that a model looks at. */
export type LanguageState = readonly number[];

/** What beam search asks of a language model; scores are natural logarithms of probabilities. */
export interface LanguageModel {
  /** The state at the start of a sentence. */
  readonly start: LanguageState;
  /** The score of a word after a state, and the state after the word. */
  next(state: LanguageState, word: string): { readonly score: number; readonly state: LanguageState };
  /** The score of the sentence's end after a state. */
  end(state: LanguageState): number;
}

const BEGIN = "<s>";
const END = "</s>";
const UNKNOWN = "<unk>";
/** Log10 of the probability of a word that isn't in a model without `<unk>`, as in KenLM. */
const UNKNOWN_LOG10 = -100;
const LF = 0x0a;
/** What a Map holds at most. */
const MAX_NGRAMS = 2 ** 24 - 1;

/**
 * A backoff model. P(word | context) is that of the n-gram where there is one; else the context's backoff weight times
 * P(word | context without its first word). A word outside of the vocabulary counts as `<unk>`.
 */
export class NgramModel implements LanguageModel {
  readonly order: number;
  readonly #words: Map<string, number>;
  /** A trie: the node of (parent * words + word). Node 0 is the root, and stands for the empty context. */
  readonly #children = new Map<number, number>();
  readonly #vocabulary: number;
  /** Log10 by node. */
  readonly #probability: Float64Array;
  readonly #backoff: Float64Array;

  /** @param counts number of n-grams of each order, from 1 */
  constructor(counts: readonly number[]) {
    const total = counts.reduce((sum, count) => sum + count, 0);
    this.order = counts.length;
    this.#words = new Map([UNKNOWN, BEGIN, END].map((word, id) => [word, id]));
    this.#vocabulary = counts[0]! + this.#words.size;
    this.#probability = new Float64Array(total + 1);
    this.#backoff = new Float64Array(total + 1);
  }

  /**
   * Adds an n-gram, all of its beginnings before it.
   *
   * @throws where it is there, or its beginning isn't
   */
  add(words: readonly string[], probability: number, backoff: number): void {
    if (words.length === 1 && !this.#words.has(words[0]!)) this.#words.set(words[0]!, this.#words.size);
    const ids = words.map((word) => this.#words.get(word) ?? -1);
    const parent = this.#find(ids, 0, ids.length - 1);
    if (parent < 0 || ids.at(-1)! < 0) throw new Error(`the shorter n-grams lack a part of ${JSON.stringify(words.join(" "))}`);
    const key = parent * this.#vocabulary + ids.at(-1)!;
    if (this.#children.has(key)) throw new Error(`${JSON.stringify(words.join(" "))} comes twice`);
    const node = this.#children.size + 1;
    this.#children.set(key, node);
    this.#probability[node] = probability;
    this.#backoff[node] = backoff;
  }

  /** True where the model knows a word. */
  has(word: string): boolean {
    const id = this.#words.get(word);
    return id !== undefined && this.#children.has(id);
  }

  /** The words that it knows. */
  *words(): Generator<string> {
    for (const word of this.#words.keys()) if (this.has(word)) yield word;
  }

  get start(): LanguageState {
    return this.order > 1 ? [this.#words.get(BEGIN)!] : [];
  }

  next(state: LanguageState, word: string): { score: number; state: LanguageState } {
    const id = this.#words.get(word) ?? this.#words.get(UNKNOWN)!;
    return { score: this.#score(state, id), state: this.order > 1 ? [...state, id].slice(1 - this.order) : [] };
  }

  end(state: LanguageState): number {
    return this.#score(state, this.#words.get(END)!);
  }

  /** The score of a whole sentence, its end included. */
  sentence(words: readonly string[]): number {
    let score = 0;
    let state = this.start;
    for (const word of words) {
      const step = this.next(state, word);
      score += step.score;
      state = step.state;
    }
    return score + this.end(state);
  }

  #score(context: LanguageState, word: number): number {
    let backoff = 0;
    for (let from = 0; from <= context.length; from++) {
      const parent = this.#find(context, from, context.length);
      if (parent < 0) continue;
      const node = this.#children.get(parent * this.#vocabulary + word);
      if (node !== undefined) return (backoff + this.#probability[node]!) * Math.LN10;
      backoff += this.#backoff[parent]!;
    }
    return (backoff + UNKNOWN_LOG10) * Math.LN10;
  }

  /** The node of the words from `from` up to `to`, -1 where there is none. */
  #find(words: readonly number[], from: number, to: number): number {
    let node = 0;
    for (let at = from; at < to; at++) {
      const child = this.#children.get(node * this.#vocabulary + words[at]!);
      if (child === undefined) return -1;
      node = child;
    }
    return node;
  }
}

/**
 * Reads an ARPA file, told to be gzipped by its content.
 *
 * @throws where it can't be read, isn't well formed, or holds more than 16 million n-grams; the message names the line
 */
export async function readArpa(path: string): Promise<NgramModel> {
  const parser = new ArpaParser();
  let line = 0;
  for await (const bytes of linesOf(path)) {
    line += 1;
    try {
      parser.take(decode(bytes).trim());
    } catch (cause) {
      throw new Error(`${path}:${line}: ${(cause as Error).message}`, { cause });
    }
  }
  try {
    return parser.finish();
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Takes the lines of an ARPA file: `\data\` with the counts, the n-grams order by order, `\end\`. */
class ArpaParser {
  readonly #counts: number[] = [];
  #model: NgramModel | undefined;
  /** What lines are now: before the data (-1), counts (0), n-grams of an order, or after the end. */
  #section = -1;
  #seen = 0;
  #ended = false;

  take(line: string): void {
    if (line === "" || this.#ended) return;
    if (line.startsWith("\\")) this.#enter(line);
    else if (this.#section === 0) this.#count(line);
    else if (this.#section > 0) this.#ngram(line);
  }

  finish(): NgramModel {
    if (this.#section < 0) throw new Error("isn't an ARPA file: it has no \\data\\");
    if (!this.#ended || this.#model === undefined) throw new Error("truncated: it has no \\end\\");
    for (const word of [BEGIN, END]) if (!this.#model.has(word)) throw new Error(`its 1-grams lack ${word}`);
    return this.#model;
  }

  #enter(line: string): void {
    if (line === "\\data\\" && this.#section < 0) {
      this.#section = 0;
      return;
    }
    const next = this.#section + 1;
    const last = this.#section === this.#counts.length;
    const expected = this.#section < 0 ? "\\data\\" : last ? "\\end\\" : `\\${next}-grams:`;
    if (line !== expected || (last && next === 1)) throw new Error(`expected ${expected}, got ${line}`);
    if (this.#section > 0 && this.#seen !== this.#counts[this.#section - 1]) {
      throw new Error(`expected ${this.#counts[this.#section - 1]} ${this.#section}-grams, got ${this.#seen}`);
    }
    this.#model ??= this.#start();
    this.#ended = last;
    this.#section = next;
    this.#seen = 0;
  }

  #start(): NgramModel {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    if (total > MAX_NGRAMS) throw new Error(`${total} n-grams are more than the ${MAX_NGRAMS} that fit: prune the model`);
    return new NgramModel(this.#counts);
  }

  #count(line: string): void {
    const match = /^ngram\s+(\d+)\s*=\s*(\d+)$/.exec(line);
    if (match === null || Number(match[1]) !== this.#counts.length + 1) {
      throw new Error(`expected "ngram ${this.#counts.length + 1}=COUNT", got ${JSON.stringify(line)}`);
    }
    this.#counts.push(Number(match[2]));
  }

  #ngram(line: string): void {
    const order = this.#section;
    const [first, ...rest] = line.split(/\s+/);
    const probability = Number(first);
    const words = rest.slice(0, order).map((word) => (word === "<UNK>" ? UNKNOWN : word));
    const backoff = rest.length > order ? Number(rest[order]) : 0;
    if (words.length < order || rest.length > order + 1) throw new Error(`expected a ${order}-gram, got ${JSON.stringify(line)}`);
    if (!(Number.isFinite(probability) && probability <= 0)) throw new Error(`expected a log-probability up to 0, got ${first}`);
    if (!Number.isFinite(backoff)) throw new Error(`expected a backoff weight, got ${rest[order]}`);
    this.#seen += 1;
    if (this.#seen > this.#counts[order - 1]!) throw new Error(`expected ${this.#counts[order - 1]} ${order}-grams, got more`);
    this.#model!.add(words, probability, backoff);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decode(line: Uint8Array): string {
  try {
    return utf8.decode(line);
  } catch (cause) {
    throw new Error("not UTF-8", { cause });
  }
}

async function* linesOf(path: string): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of await contentOf(path)) {
      const bytes = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
      let from = 0;
      for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, from)) {
        yield bytes.subarray(from, end);
        from = end + 1;
      }
      rest = bytes.subarray(from);
    }
  } catch (cause) {
    throw new Error(`${path}: ${problemOf(cause as NodeJS.ErrnoException)}`, { cause });
  }
  yield rest;
}

async function contentOf(path: string): Promise<Readable> {
  const file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0).finally(() => file.close());
  const bytes = createReadStream(path);
  if (bytesRead < 2 || buffer[0] !== 0x1f || buffer[1] !== 0x8b) return bytes;
  // A failure reaches the one who reads the result.
  return pipeline(bytes, createGunzip(), () => {});
}
