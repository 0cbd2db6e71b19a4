/** Corpora for pretraining: text tokenised once, kept on disk or in memory, packed into blocks. */
import { createHash } from "node:crypto";
import path from "node:path";
import { type CorpusSplit, corpusFiles, type ReadOptions, readSentences } from "./documents.js";
import { PACK_MODES, Packer, type PackMode } from "./pack.js";
import type { DataFile } from "./text-files.js";
import { type Ids, idBytes, memoryStream, openTokenFile, type TokenSink, type TokenStream, writeTokenFile } from "./token-file.js";
import type { TokenSource } from "./token-source.js";
import type { Tokenizer } from "./tokenizer.js";

/** How far tokenising is. */
export interface CorpusProgress {
  readonly file: string;
  readonly sentences: number;
  readonly tokens: number;
}

/** How a corpus is read and packed. */
export interface CorpusOptions extends ReadOptions {
  readonly tokenizer: Tokenizer;
  /** Most tokens in a block, its `<s>` among them (`tokensPerSample`), 512 by default. */
  readonly tokensPerSample?: number;
  /** "complete_doc" by default. */
  readonly pack?: PackMode;
  readonly split?: CorpusSplit;
  /** Folder where the token ids are kept for the next time; without one they are kept in memory. */
  readonly cache?: string;
  readonly onProgress?: (progress: CorpusProgress) => void;
}

/** A corpus of packed blocks. Each sample is `<s>` and a block, whose sentences end in `</s>`. */
export interface TextCorpus extends TokenSource {
  /** Tokens of all the text, one `</s>` after each sentence and one between documents among them. */
  readonly tokens: number;
  readonly sentences: number;
  /** Blocks left out: sentences longer than a block, and blocks of less than two tokens. */
  readonly tooLong: number;
  readonly tooShort: number;
  /** Differs where the text's files or the tokenizer do (hexadecimal SHA-256). */
  readonly fingerprint: string;
  /** Frees the file of token ids. Not needed for the process to end. */
  close(): Promise<void>;
}

const SCAN_IDS = 2 ** 20;
/** More ids than this are kept in a file, 1 GiB of memory otherwise. */
const MAX_IDS_IN_MEMORY = 2 ** 28;

/**
 * Opens the text at `place`, a file or a folder (see `docs/data.md`). The text is read and tokenised once for one state of the files, by
 * size and time of modification, and one tokenizer; with a cache folder the next call only reads the ids. The text itself is streamed.
 *
 * @throws where there is no text, a file can't be read or isn't UTF-8, or no block remains
 */
export async function openCorpus(place: string, options: CorpusOptions): Promise<TextCorpus> {
  const { tokenizer, tokensPerSample = 512, pack = "complete_doc", split } = options;
  if (!Number.isInteger(tokensPerSample) || tokensPerSample < 3) {
    throw new RangeError(`openCorpus: tokensPerSample: expected a whole number from 3, got ${tokensPerSample}`);
  }
  if (!PACK_MODES.includes(pack)) throw new RangeError(`openCorpus: pack: expected one of ${PACK_MODES.join(", ")}, got ${pack}`);
  const files = await corpusFiles(place, { split });
  const fingerprint = fingerprintOf(files, options);
  const stream = await openStream(files, fingerprint, options);
  const packer = new Packer(pack, tokensPerSample - 1);
  const sentences = await packStream(place, stream, packer, tokenizer);
  const { starts, lengths, tooLong, tooShort } = packer.finish();
  if (lengths.length === 0) {
    await stream.close();
    const longer =
      tooLong > 0 ? `; ${tooLong} sentences are longer than a block of ${tokensPerSample} tokens\nput a sentence on a line` : "";
    throw new Error(`${place}: no block of text to learn from in ${files.length} files${longer}`);
  }
  return {
    description: `${place} (${lengths.length} blocks, ${stream.tokens} tokens)`,
    size: lengths.length,
    tokens: stream.tokens,
    sentences,
    tooLong,
    tooShort,
    fingerprint,
    length: (index) => lengths[index]! + 1,
    name: (index) => `block ${index} (tokens ${starts[index]} to ${starts[index]! + lengths[index]! - 1})`,
    async read(index) {
      const ids = await stream.read(starts[index]!, lengths[index]!);
      const sample = new Int32Array(ids.length + 1);
      sample[0] = tokenizer.special.bos;
      sample.set(ids, 1);
      return sample;
    },
    close: () => stream.close(),
  };
}

function fingerprintOf(files: readonly DataFile[], { tokenizer, field, onInvalid }: CorpusOptions): string {
  const state = files.map(({ name, bytes, modified }) => [name, bytes, modified]);
  return createHash("sha256")
    .update(JSON.stringify([tokenizer.fingerprint, field ?? null, onInvalid !== undefined, state]))
    .digest("hex");
}

async function openStream(files: readonly DataFile[], key: string, options: CorpusOptions): Promise<TokenStream> {
  const { tokenizer, cache } = options;
  if (cache === undefined) {
    const ids = new GrowingIds(idBytes(tokenizer.size));
    await tokenise(files, options, (some) => ids.append(some));
    return memoryStream(ids.all());
  }
  const file = path.join(cache, `tokens-${key.slice(0, 16)}.bin`);
  const ready = await openTokenFile(file, key, tokenizer.size);
  if (ready !== null) return ready;
  await writeTokenFile(file, key, tokenizer.size, (sink) => tokenise(files, options, sink));
  const written = await openTokenFile(file, key, tokenizer.size);
  if (written === null) throw new Error(`${file}: isn't what was just written\nis the disk sound, and used by nobody else?`);
  return written;
}

/** Ids of all sentences, each with `</s>` after it; between two documents stands a lone `</s>`. */
async function tokenise(files: readonly DataFile[], options: CorpusOptions, sink: TokenSink): Promise<void> {
  const { tokenizer, onProgress } = options;
  const { eos } = tokenizer.special;
  let sentences = 0;
  let tokens = 0;
  let ended = false;
  for (const file of files) {
    for await (const some of readSentences([file], options)) {
      const ids: number[] = [];
      for (const sentence of some) {
        if (sentence === null) {
          ended = true;
          continue;
        }
        if (ended && sentences > 0) ids.push(eos);
        ended = false;
        for (const id of tokenizer.encode(sentence)) ids.push(id);
        ids.push(eos);
        sentences += 1;
      }
      tokens += ids.length;
      await sink(ids);
      onProgress?.({ file: file.name, sentences, tokens });
    }
  }
}

/** Tells the packer every sentence's length, which the places of `</s>` give: text never encodes to it. Returns their number. */
async function packStream(place: string, stream: TokenStream, packer: Packer, { special, size }: Tokenizer): Promise<number> {
  let sentences = 0;
  let length = 0;
  for (let start = 0; start < stream.tokens; start += SCAN_IDS) {
    for (const id of await stream.read(start, Math.min(SCAN_IDS, stream.tokens - start))) {
      if (id >= size) throw new Error(`${place}: the kept token ids are damaged (${id} of ${size} tokens)\nremove the cache folder`);
      length += 1;
      if (id !== special.eos) continue;
      packer.add(length);
      if (length > 1) sentences += 1;
      length = 0;
    }
  }
  return sentences;
}

/** Ids in memory while their number isn't known. */
class GrowingIds {
  #ids: Ids;
  #length = 0;

  constructor(width: 2 | 4) {
    this.#ids = width === 2 ? new Uint16Array(SCAN_IDS) : new Uint32Array(SCAN_IDS);
  }

  append(ids: readonly number[]): void {
    const needed = this.#length + ids.length;
    if (needed > MAX_IDS_IN_MEMORY)
      throw new Error(`the text has more than ${MAX_IDS_IN_MEMORY} tokens\ngive a cache folder to keep them in`);
    if (needed > this.#ids.length) {
      const length = Math.max(needed, 2 * this.#ids.length);
      const grown = this.#ids instanceof Uint16Array ? new Uint16Array(length) : new Uint32Array(length);
      grown.set(this.#ids);
      this.#ids = grown;
    }
    this.#ids.set(ids, this.#length);
    this.#length = needed;
  }

  all(): Ids {
    return this.#ids.slice(0, this.#length);
  }
}
