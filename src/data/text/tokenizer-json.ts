/** Hugging Face's `tokenizer.json`: what of it a byte-level BPE for RoBERTa may say, and nothing else. */
import { type AddedToken, SPECIAL_TOKENS, Tokenizer } from "./tokenizer.js";
import { findSpecial, mergesOf, specialAsAdded, vocabularyOf } from "./vocabulary.js";

type Fields = Record<string, unknown>;

/** Fields of the model, and the values under which it is plain BPE. */
const PLAIN_MODEL: Record<string, readonly unknown[]> = {
  dropout: [null, 0],
  continuing_subword_prefix: [null, ""],
  end_of_word_suffix: [null, ""],
  byte_fallback: [null, false],
  ignore_merges: [null, false],
};

/**
 * Makes a tokenizer of the content of `tokenizer.json`.
 *
 * @throws where a part of it would encode otherwise than byte-level BPE does
 */
export function readTokenizerJson(file: string, content: unknown): Tokenizer {
  const root = fields(file, content);
  const refuse = (what: string, value: unknown, expected: string): never => {
    throw new Error(`${file}: ${what}: expected ${expected}, got ${JSON.stringify(value)?.slice(0, 200)}`);
  };
  const model = fields(`${file}: model`, root.model);
  if ((model.type ?? "BPE") !== "BPE") refuse("model.type", model.type, '"BPE"');
  for (const [name, accepted] of Object.entries(PLAIN_MODEL)) {
    if (!accepted.includes(model[name] ?? null)) refuse(`model.${name}`, model[name], JSON.stringify(accepted.at(-1)));
  }
  if (root.normalizer != null) refuse("normalizer", root.normalizer, "none (null)");
  const splitting = fields(`${file}: pre_tokenizer`, root.pre_tokenizer);
  if (splitting.type !== "ByteLevel" || (splitting.use_regex ?? true) !== true) {
    refuse("pre_tokenizer", splitting, '{"type":"ByteLevel"} with its own pattern');
  }

  const vocabulary = vocabularyOf(`${file}: model.vocab`, model.vocab);
  if (!Array.isArray(model.merges)) refuse("model.merges", model.merges, "a list");
  const merges = mergesOf(file, model.merges as unknown[], vocabulary);
  const listed = (Array.isArray(root.added_tokens) ? root.added_tokens : []).map((token: unknown, index) =>
    addedToken(`${file}: added_tokens ${index}`, token),
  );
  const pieces = new Map([...vocabulary].map(([piece, id]) => [id, piece]));
  for (const { content, id } of listed) {
    if ((vocabulary.get(content) ?? id) !== id || (pieces.get(id) ?? content) !== content) {
      refuse(`added token ${JSON.stringify(content)}`, id, "the id that the vocabulary gives it");
    }
    vocabulary.set(content, id);
    pieces.set(id, content);
  }
  const special = findSpecial(file, (token) => vocabulary.get(token));
  const contents = new Set<string>(listed.map(({ content }) => content));
  const added = [...specialAsAdded(special).filter(({ content }) => !contents.has(content)), ...listed];
  return new Tokenizer({ vocabulary, merges, special, added, addPrefixSpace: splitting.add_prefix_space === true });
}

function addedToken(place: string, value: unknown): AddedToken {
  const { content, id, special, lstrip, rstrip, single_word: singleWord } = fields(place, value);
  if (typeof content !== "string" || content === "") throw new Error(`${place}: content: expected a text, got ${JSON.stringify(content)}`);
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 20) {
    throw new Error(`${place}: id: expected a whole number, got ${JSON.stringify(id)}`);
  }
  if (singleWord === true) throw new Error(`${place}: single_word isn't supported`);
  const own = (Object.values(SPECIAL_TOKENS) as string[]).includes(content);
  return { content, id, special: own || special === true, lstrip: lstrip === true, rstrip: rstrip === true };
}

function fields(place: string, value: unknown): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`${place}: expected an object, got ${JSON.stringify(value)?.slice(0, 200)}`);
}
