/** The symbols of a model for ctc as the files of Hugging Face's Wav2Vec2CTCTokenizer: `vocab.json` and `tokenizer_config.json`. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { CheckpointError } from "../../checkpoint/error.js";
import { readJson, writeText } from "../../checkpoint/files.js";
import { vocabularyOf } from "../../data/audio/vocabulary.js";

const VOCABULARY = "vocab.json";
const SETTINGS = "tokenizer_config.json";
const BOUNDARY = "|";

/** Writes the two files; the blank is called padding there. */
export async function writeSymbols(folder: string, symbols: readonly string[]): Promise<void> {
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  const special = (symbol: string) => (symbols.includes(symbol) ? symbol : null);
  await writeText(path.join(folder, VOCABULARY), json(Object.fromEntries(symbols.map((symbol, id) => [symbol, id]))));
  const settings = {
    tokenizer_class: "Wav2Vec2CTCTokenizer",
    pad_token: symbols[vocabularyOf(symbols).blank],
    bos_token: special("<s>"),
    eos_token: special("</s>"),
    unk_token: special("<unk>"),
    word_delimiter_token: BOUNDARY,
    replace_word_delimiter_char: " ",
    do_lower_case: false,
  };
  await writeText(path.join(folder, SETTINGS), json(settings));
}

/**
 * The symbols of a model folder, in the order of its outputs; null where it has no `vocab.json`.
 *
 * @param blank which symbol is the blank
 * @throws CheckpointError naming the file and what in it doesn't fit a model of `count` symbols
 */
export async function readSymbols(folder: string, count: number, blank: number): Promise<string[] | null> {
  const names = await readdir(folder);
  if (!names.includes(VOCABULARY)) return null;
  const file = path.join(folder, VOCABULARY);
  const ids = await readJson(file);
  if (typeof ids !== "object" || ids === null || Array.isArray(ids))
    throw new CheckpointError(`${file}: expected an object from symbols to ids`);
  const symbols = new Array<string | undefined>(count).fill(undefined);
  for (const [symbol, id] of Object.entries(ids)) {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new CheckpointError(
        `${file}: ${JSON.stringify(symbol)}: ${JSON.stringify(id)} is no id\nvocabularies by language aren't supported`,
      );
    }
    // Symbols that were added to a tokenizer, and that its model doesn't know.
    if (id >= count) continue;
    if (symbols[id] !== undefined)
      throw new CheckpointError(`${file}: ${JSON.stringify(symbol)} and ${JSON.stringify(symbols[id])} are both ${id}`);
    symbols[id] = symbol;
  }
  const missing = symbols.indexOf(undefined);
  if (missing >= 0) throw new CheckpointError(`${file}: no symbol has the id ${missing}, and the model has ${count}`);
  const padding = symbols[blank];
  if (padding !== "<pad>" && padding !== "[PAD]") {
    throw new CheckpointError(
      `${file}: expected <pad> or [PAD] for pad_token_id ${blank}, the blank, got ${JSON.stringify(padding) ?? "none"}`,
    );
  }
  const settings = path.join(folder, SETTINGS);
  if (names.includes(SETTINGS)) checkSettings(await readJson(settings), padding, settings);
  return symbols as string[];
}

function checkSettings(json: unknown, padding: string, file: string): void {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new CheckpointError(`${file}: expected a JSON object`);
  const settings = json as Record<string, unknown>;
  const text = (value: unknown) =>
    typeof value === "object" && value !== null && "content" in value ? (value as { content: unknown }).content : value;
  for (const [field, wanted] of [
    ["pad_token", padding],
    ["word_delimiter_token", BOUNDARY],
    ["replace_word_delimiter_char", " "],
  ] as const) {
    const value = text(settings[field] ?? wanted);
    if (value !== wanted) {
      throw new CheckpointError(`${file}: ${field}: ${JSON.stringify(value)} is not supported, only ${JSON.stringify(wanted)}`);
    }
  }
}
