/** How transcripts are searched for: the options that `predict` and `evaluate` share. */

import type { Command } from "commander";
import { type CtcVocabulary, isSpecial, vocabularyOf } from "../data/audio/vocabulary.js";
import { problemOf } from "../data/unreadable.js";
import { readUtf8 } from "../data/utf8.js";
import { type NgramModel, readArpa } from "../tasks/ctc/arpa.js";
import { type BeamOptions, type Lexicon, makeLexicon } from "../tasks/ctc/beam.js";
import { UsageError } from "./failure.js";
import { integer, number } from "./options.js";

/** Options of a command that may decode CTC. */
export interface SearchOptions {
  beam?: number;
  lm?: string;
  lmWeight?: number;
  wordScore?: number;
  lexicon?: string;
}

/** Beam of a search that was asked for by its language model or lexicon alone. */
const DEFAULT_BEAM = 50;

/** For help texts. */
export const SEARCH_HELP = `
Recognition (models fine-tuned by ctc) takes the likeliest letter of each frame; --beam searches instead. The score of a transcript is
log p(letters) + lm-weight * log p(words) + word-score * words. Tune both weights on data that is not the test set.`;

/** Adds the options. */
export function withSearch(command: Command): Command {
  return command
    .option("--beam <size>", "recognition: search with so many prefixes instead of taking the likeliest letters", integer(1, 100_000))
    .option("--lm <file>", "recognition: n-gram language model in ARPA format, plain or .gz (searches with --beam 50 unless given)")
    .option("--lm-weight <weight>", "recognition: weight of the language model (default: 2)", number)
    .option("--word-score <score>", "recognition: added for each word (default: -1 with a language model, else 0)", number)
    .option("--lexicon <file>", "recognition: the words that may be written, one a line");
}

/** Reads what the search needs; null where none is asked for. Throws for a model whose outputs aren't symbols. */
export async function readSearch(
  options: SearchOptions,
  task: string | null,
  outputs: readonly string[] | null,
): Promise<BeamOptions | null> {
  const { beam, lm, lmWeight, wordScore, lexicon } = options;
  const flag = searchFlag(options);
  if (flag === null) return null;
  if (task !== "ctc" || outputs === null) throw new UsageError(`${flag}: only for models that recognise speech, fine-tuned by ctc`);
  if (beam === undefined && lm === undefined && lexicon === undefined) throw new UsageError(`${flag}: needs --beam, --lm or --lexicon`);
  if (lmWeight !== undefined && lm === undefined) throw new UsageError("--lm-weight: needs --lm FILE");
  const vocabulary = vocabularyOf(outputs);
  return {
    beamSize: beam ?? DEFAULT_BEAM,
    languageModel: lm === undefined ? undefined : await readLanguageModel(lm, vocabulary),
    lmWeight,
    wordScore,
    lexicon: lexicon === undefined ? undefined : await readLexicon(lexicon, vocabulary),
  };
}

/** The first option of a search that was given, as it is written; null for none. */
export function searchFlag({ beam, lm, lmWeight, wordScore, lexicon }: SearchOptions): string | null {
  const given = Object.entries({ beam, lm, lmWeight, wordScore, lexicon }).find(([, value]) => value !== undefined)?.[0];
  return given === undefined ? null : `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A language model, some word of which the model can write: else it would score nothing but unknown words. */
async function readLanguageModel(file: string, { symbols }: CtcVocabulary): Promise<NgramModel> {
  const model = await readArpa(file);
  const letters = symbols.filter((symbol) => !isSpecial(symbol));
  const words = [...model.words()].filter((word) => !isSpecial(word));
  if (words.some((word) => [...word].every((letter) => letters.includes(letter)))) return model;
  const example = words[0] === undefined ? "" : `, such as ${JSON.stringify(words[0])},`;
  throw new UsageError(
    `--lm ${file}: none of its ${words.length} words${example} can be written in the symbols of the model: ${letters.join("")}\n` +
      "make it of text in the same letters and the same case",
  );
}

async function readLexicon(file: string, vocabulary: CtcVocabulary): Promise<Lexicon> {
  const words = await readWords(file);
  try {
    return makeLexicon(words, vocabulary);
  } catch (cause) {
    throw new UsageError((cause as Error).message.replace(/^lexicon/, `--lexicon ${file}`));
  }
}

async function readWords(file: string): Promise<string[]> {
  const text = await readUtf8(file).catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(cause.code === undefined ? `--lexicon ${cause.message}` : `--lexicon ${file}: ${problemOf(cause)}`);
  });
  const words = text
    .split("\n")
    .map((line) => line.trim().split(/\s/)[0])
    .filter((word) => word !== "");
  if (words.length === 0) throw new UsageError(`--lexicon ${file}: holds no words`);
  return words;
}
