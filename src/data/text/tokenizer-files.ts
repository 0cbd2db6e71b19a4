/** Files of tokenizers: Hugging Face's `tokenizer.json`, `vocab.json` with `merges.txt`, and fairseq's `dict.txt` over GPT-2's files. */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { SPECIAL_TOKENS, Tokenizer } from "./tokenizer.js";
import { readTokenizerJson } from "./tokenizer-json.js";
import { findSpecial, mergesOf, specialAsAdded, vocabularyOf } from "./vocabulary.js";

const LAYOUTS = "accepted: tokenizer.json, vocab.json with merges.txt, or dict.txt with encoder.json and vocab.bpe (fairseq)";

/**
 * Opens the tokenizer in a folder, or of a `tokenizer.json`. Of several layouts in one folder the first of those named above is read.
 *
 * @throws where there is none, or it isn't a byte-level BPE with RoBERTa's special tokens; the message names the file and the field
 */
export async function openTokenizer(place: string): Promise<Tokenizer> {
  const found = await stat(place).catch((cause: Error) => {
    throw new Error(`${place}: no such file or folder\n${LAYOUTS}`, { cause });
  });
  if (found.isFile()) return readTokenizerJson(place, await readJson(place));
  const file = (name: string) => path.join(place, name);
  const has = (name: string) => stat(file(name)).then(Boolean, () => false);
  if (await has("tokenizer.json")) return readTokenizerJson(file("tokenizer.json"), await readJson(file("tokenizer.json")));
  if (await has("vocab.json")) return readVocabulary(file("vocab.json"), file("merges.txt"));
  if (await has("dict.txt")) return readFairseq(file("dict.txt"), file("encoder.json"), file("vocab.bpe"));
  throw new Error(`${place}: has no tokenizer\n${LAYOUTS}`);
}

/** The files of a tokenizer as Hugging Face saves RoBERTa's: content by file name. */
export function tokenizerFiles(tokenizer: Tokenizer): Record<string, string> {
  const { vocabulary, merges, special, added, addPrefixSpace } = tokenizer.definition;
  const lacking = merges.find(([left, right]) => !vocabulary.has(left + right));
  if (lacking !== undefined) {
    throw new Error(
      `tokenizer: the vocabulary lacks ${lacking.join("")}, which a merge makes, and Hugging Face's files can't say so\n` +
        "keep fairseq's own files",
    );
  }
  const sorted = Object.fromEntries([...vocabulary].sort(([, a], [, b]) => a - b));
  const names = Object.fromEntries(Object.entries(special).map(([role, id]) => [role, tokenizer.piece(id)]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: true };
  const tokenizerJson = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, special, lstrip, rstrip }) => ({
      id,
      content,
      single_word: false,
      lstrip,
      rstrip,
      normalized: false,
      special,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: {
      type: "RobertaProcessing",
      sep: [names.eos, special.eos],
      cls: [names.bos, special.bos],
      trim_offsets: true,
      add_prefix_space: addPrefixSpace,
    },
    decoder: { ...byteLevel, add_prefix_space: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab: sorted,
      merges: merges.map((merge) => merge.join(" ")),
    },
  };
  const roles = {
    bos_token: names.bos,
    eos_token: names.eos,
    unk_token: names.unk,
    sep_token: names.eos,
    pad_token: names.pad,
    cls_token: names.bos,
  };
  const mask = { content: names.mask, lstrip: true, normalized: false, rstrip: false, single_word: false };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  return {
    "tokenizer.json": json(tokenizerJson),
    "vocab.json": JSON.stringify(sorted),
    "merges.txt": `#version: 0.2\n${merges.map((merge) => `${merge.join(" ")}\n`).join("")}`,
    "tokenizer_config.json": json({
      add_prefix_space: addPrefixSpace,
      ...roles,
      mask_token: names.mask,
      errors: "replace",
      trim_offsets: true,
      model_max_length: 512,
      tokenizer_class: "RobertaTokenizer",
    }),
    "special_tokens_map.json": json({ ...roles, mask_token: mask }),
  };
}

/** Reads JSON; the error names the file. */
async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${file}: not JSON: ${(cause as Error).message}`, { cause });
  }
}

async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${file}: ${cause.code === "ENOENT" ? "no such file" : cause.message}\n${LAYOUTS}`, { cause });
  });
}

async function readVocabulary(vocabFile: string, mergesFile: string): Promise<Tokenizer> {
  const vocabulary = vocabularyOf(vocabFile, await readJson(vocabFile));
  const special = findSpecial(vocabFile, (content) => vocabulary.get(content));
  const merges = mergesOf(mergesFile, mergeLines(await readText(mergesFile)), vocabulary);
  return new Tokenizer({ vocabulary, merges, special, added: specialAsAdded(special), addPrefixSpace: false });
}

/**
 * fairseq's tokens are GPT-2's, renumbered: each line of `dict.txt` is the id of a GPT-2 token in decimal and a count, and gets the next
 * number after the four special tokens; `<mask>` comes last.
 */
async function readFairseq(dictFile: string, encoderFile: string, mergesFile: string): Promise<Tokenizer> {
  const pieces = new Map([...vocabularyOf(encoderFile, await readJson(encoderFile))].map(([piece, id]) => [String(id), piece]));
  const vocabulary = new Map<string, number>(
    [SPECIAL_TOKENS.bos, SPECIAL_TOKENS.pad, SPECIAL_TOKENS.eos, SPECIAL_TOKENS.unk].map((token, id) => [token, id]),
  );
  const lines = (await readText(dictFile)).split(/\r?\n/).filter((line) => line !== "");
  for (const [index, line] of lines.entries()) {
    const [, symbol] = /^(\S+) \d+(?: #fairseq:overwrite)?$/.exec(line) ?? [];
    const piece = symbol === undefined || /^\d+$/.test(symbol) ? pieces.get(symbol ?? "") : symbol;
    if (piece === undefined) {
      throw new Error(`${dictFile}:${index + 1}: expected the id of a GPT-2 token and a count, got ${JSON.stringify(line)}`);
    }
    if (vocabulary.has(piece)) throw new Error(`${dictFile}:${index + 1}: ${JSON.stringify(piece)} stands there twice`);
    vocabulary.set(piece, vocabulary.size);
  }
  if (!vocabulary.has(SPECIAL_TOKENS.mask)) vocabulary.set(SPECIAL_TOKENS.mask, vocabulary.size);
  const special = findSpecial(dictFile, (content) => vocabulary.get(content));
  const merges = mergesOf(mergesFile, mergeLines(await readText(mergesFile)), null);
  return new Tokenizer({ vocabulary, merges, special, added: specialAsAdded(special), addPrefixSpace: false });
}

function mergeLines(text: string): string[] {
  return text.split("\n").filter((line, index) => line !== "" && !(index === 0 && line.startsWith("#version")));
}
