/** The text tokenizer of RoBERTa and data2vec: byte-level byte-pair encoding, cased, with five special tokens. */
import { createHash } from "node:crypto";
import { pieceBytes, words } from "./byte-level.js";
import { BytePairEncoder, type Merge } from "./byte-pair-encoder.js";

/** Ids of the special tokens. */
export interface SpecialTokens {
  /** `<s>`, before every sequence. */
  readonly bos: number;
  /** `<pad>`, which fills a batch up. */
  readonly pad: number;
  /** `</s>`, after every sentence. */
  readonly eos: number;
  /** `<unk>`, for what the vocabulary lacks. */
  readonly unk: number;
  /** `<mask>`, in place of what is to be predicted. */
  readonly mask: number;
}

/** The special tokens as they are written, in the order of their ids in new vocabularies, where `<mask>` is the last id. */
export const SPECIAL_TOKENS = { bos: "<s>", pad: "<pad>", eos: "</s>", unk: "<unk>", mask: "<mask>" } as const;

/** A token that is found in the text as it stands, before the text is cut into words. */
export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** One of the model's own, such as `<mask>`: in plain text it is text. */
  readonly special: boolean;
  /** Takes the whitespace before it along. */
  readonly lstrip: boolean;
  /** Takes the whitespace after it along. */
  readonly rstrip: boolean;
}

/** What makes a tokenizer. */
export interface TokenizerDefinition {
  /** Ids of all tokens: pieces in byte-level characters, special and other added tokens as they are written. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly Merge[];
  readonly special: SpecialTokens;
  readonly added: readonly AddedToken[];
  /** Whether a text that doesn't begin with a space is read as if it did. */
  readonly addPrefixSpace: boolean;
}

/** Turns text into token ids and back. */
export class Tokenizer {
  readonly definition: TokenizerDefinition;
  readonly special: SpecialTokens;
  /** Rows of an embedding table for it: one more than the largest id. */
  readonly size: number;
  /** Differs between tokenizers that encode differently (hexadecimal SHA-256). */
  readonly fingerprint: string;
  readonly #encoder: BytePairEncoder;
  readonly #pieces: readonly (string | undefined)[];
  readonly #specialIds: ReadonlySet<number>;
  readonly #addedById: ReadonlyMap<number, AddedToken>;
  readonly #plain: Splitter | null;
  readonly #all: Splitter | null;

  constructor(definition: TokenizerDefinition) {
    const { vocabulary, merges, special, added, addPrefixSpace } = definition;
    this.definition = definition;
    this.special = special;
    const pieces: (string | undefined)[] = [];
    for (const [piece, id] of vocabulary) pieces[id] = piece;
    this.#pieces = pieces;
    this.size = pieces.length;
    this.#specialIds = new Set([...Object.values(special), ...added.filter((token) => token.special).map(({ id }) => id)]);
    this.#addedById = new Map(added.map((token) => [token.id, token]));
    this.#plain = splitter(added.filter((token) => !token.special));
    this.#all = splitter(added);
    this.#encoder = new BytePairEncoder(vocabulary, merges, special.unk);
    this.fingerprint = createHash("sha256")
      .update(JSON.stringify([[...vocabulary].sort(([, a], [, b]) => a - b), merges, special, added, addPrefixSpace]))
      .digest("hex");
  }

  /**
   * Token ids of a text, without `<s>` and `</s>` around it.
   *
   * @param options.special whether special tokens written in the text, such as `<mask>`, stand for themselves (as in Hugging Face's
   *   tokenizers); by default they are text like any other, so that no data can forge them
   */
  encode(text: string, options: { readonly special?: boolean } = {}): number[] {
    const ids: number[] = [];
    const split = options.special ? this.#all : this.#plain;
    if (split === null) this.#append(text, ids);
    else for (const part of split(text)) typeof part === "string" ? this.#append(part, ids) : ids.push(part.id);
    return ids;
  }

  /**
   * The text of some ids; bytes that aren't UTF-8 become U+FFFD.
   *
   * @param options.special whether to write special tokens out; they are left out by default
   * @throws where an id isn't in the vocabulary
   */
  decode(ids: ArrayLike<number>, options: { readonly special?: boolean } = {}): string {
    let text = "";
    let bytes: number[] = [];
    const flush = () => {
      text += new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      bytes = [];
    };
    for (const id of Array.from(ids)) {
      const piece = this.piece(id);
      const special = this.#specialIds.has(id);
      if (special && !options.special) continue;
      if (special || this.#addedById.has(id)) {
        flush();
        text += piece;
      } else for (const byte of pieceBytes(piece)) bytes.push(byte);
    }
    flush();
    return text;
  }

  /** A token as vocabulary files write it, such as `Ġthe`; throws where there is none of that id. */
  piece(id: number): string {
    const piece = this.#pieces[id];
    if (piece === undefined) throw new RangeError(`tokenizer: token: expected an id from 0 to ${this.size - 1}, got ${id}`);
    return piece;
  }

  #append(text: string, ids: number[]): void {
    if (text === "") return;
    const prefix = this.definition.addPrefixSpace && !text.startsWith(" ") ? " " : "";
    for (const word of words(prefix + text)) this.#encoder.append(word, ids);
  }
}

type Splitter = (text: string) => (string | AddedToken)[];

/** Cuts texts at added tokens, the longest that matches first; null where there are none. */
function splitter(added: readonly AddedToken[]): Splitter | null {
  if (added.length === 0) return null;
  const byContent = new Map(added.map((token) => [token.content, token]));
  const longestFirst = [...added].sort((a, b) => b.content.length - a.content.length);
  const alternatives = longestFirst.map(({ content }) => content.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|");
  return (text) => {
    const parts: (string | AddedToken)[] = [];
    let from = 0;
    for (const match of text.matchAll(new RegExp(alternatives, "gu"))) {
      const token = byContent.get(match[0])!;
      const before = text.slice(from, match.index);
      parts.push(token.lstrip ? before.trimEnd() : before, token);
      from = match.index + match[0].length;
      if (token.rstrip) from = text.length - text.slice(from).trimStart().length;
    }
    parts.push(text.slice(from));
    return parts;
  };
}
