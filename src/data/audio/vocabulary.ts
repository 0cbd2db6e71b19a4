/** The symbols that CTC writes: a letter each, `|` between words, and the blank (Graves et al. 2006). */

/** Symbols by class. Those in angle brackets have no text. */
export interface CtcVocabulary {
  readonly symbols: readonly string[];
  /** The class that stands for no symbol. */
  readonly blank: number;
  /** The class that stands between words. */
  readonly boundary: number;
  /** What is done to text before it is encoded. */
  readonly letterCase: LetterCase;
}

/** To make all letters large, or small, or leave them. */
export type LetterCase = "upper" | "lower" | "keep";

/** Text as classes. */
export interface Encoded {
  readonly ids: readonly number[];
  /** Characters that the vocabulary lacks, left out of `ids`. */
  readonly skipped: readonly string[];
}

const BLANK = "<pad>";
const BOUNDARY = "|";

/** The 32 symbols of the published models, in the order of their output layer: by frequency in English. Class 0 is the blank. */
export const PUBLISHED_VOCABULARY: CtcVocabulary = {
  symbols: [BLANK, "<s>", "</s>", "<unk>", BOUNDARY, ..."ETAONIHSRDLUMWCFGYPBVK'XJQZ"],
  blank: 0,
  boundary: 4,
  letterCase: "upper",
};

/**
 * The vocabulary of the characters of some transcripts, sorted by code unit, after the blank (class 0) and `|` (class 1).
 *
 * @throws where there are no characters, or `|` is one of them
 */
export function letterVocabulary(transcripts: Iterable<string>, letterCase: LetterCase): CtcVocabulary {
  const letters = new Set<string>();
  for (const transcript of transcripts) for (const letter of normalizeText(transcript, letterCase)) letters.add(letter);
  letters.delete(" ");
  if (letters.has(BOUNDARY))
    throw new Error(`letterVocabulary: the transcripts have the character ${BOUNDARY}, which stands between words`);
  if (letters.size === 0) throw new Error("letterVocabulary: the transcripts have no characters");
  return { symbols: [BLANK, BOUNDARY, ...[...letters].sort()], blank: 0, boundary: 1, letterCase };
}

/**
 * The vocabulary of a model's outputs: the padding symbol is the blank, as in Hugging Face.
 *
 * @throws where a symbol comes twice, or there is no blank or no `|`
 */
export function vocabularyOf(symbols: readonly string[], letterCase: LetterCase = "keep"): CtcVocabulary {
  const blank = symbols.findIndex((symbol) => symbol === BLANK || symbol === "[PAD]");
  const boundary = symbols.indexOf(BOUNDARY);
  if (blank < 0) throw new Error(`vocabulary: expected the blank ${BLANK} among the ${symbols.length} symbols`);
  if (boundary < 0) throw new Error(`vocabulary: expected ${BOUNDARY}, which stands between words, among the ${symbols.length} symbols`);
  return { symbols, blank, boundary, letterCase };
}

/** Text in the given case, composed (Unicode NFC), with single spaces between words. */
export function normalizeText(text: string, letterCase: LetterCase): string {
  const cased = letterCase === "upper" ? text.toUpperCase() : letterCase === "lower" ? text.toLowerCase() : text;
  return cased.normalize("NFC").trim().replace(/\s+/g, " ");
}

/** Turns text into classes and back. */
export class CtcTokenizer {
  readonly vocabulary: CtcVocabulary;
  readonly #classes: ReadonlyMap<string, number>;

  /**
   * @throws where a symbol comes twice, or blank or boundary is outside of the vocabulary
   */
  constructor(vocabulary: CtcVocabulary) {
    const { symbols, blank, boundary } = vocabulary;
    if (symbols[blank] === undefined || symbols[boundary] === undefined || blank === boundary) {
      throw new RangeError(`vocabulary: expected blank and boundary among ${symbols.length} symbols, got ${blank} and ${boundary}`);
    }
    const repeated = symbols.find((symbol, id) => symbols.indexOf(symbol) !== id);
    if (repeated !== undefined) throw new Error(`vocabulary: symbol ${JSON.stringify(repeated)} comes twice`);
    this.vocabulary = vocabulary;
    const letters = symbols.map((symbol, id) => [symbol, id] as const).filter(([symbol, id]) => id !== blank && !isSpecial(symbol));
    this.#classes = new Map(letters.filter(([, id]) => id !== boundary));
  }

  /**
   * Classes of a text, with the boundary for each space.
   *
   * @param options.trailingBoundary ends with a boundary, as the `.ltr` files that the published models were fine-tuned with
   * @param options.unknown characters that the vocabulary lacks are an error, or left out and told of
   * @throws where a character is unknown and that is an error
   */
  encode(text: string, options: { readonly trailingBoundary: boolean; readonly unknown: "error" | "skip" }): Encoded {
    const { boundary, letterCase } = this.vocabulary;
    const ids: number[] = [];
    const skipped: string[] = [];
    for (const word of normalizeText(text, letterCase).split(" ")) {
      const start = ids.length;
      for (const letter of word) {
        const id = this.#classes.get(letter);
        if (id !== undefined) ids.push(id);
        else skipped.push(letter);
      }
      // A word of unknown characters alone leaves none.
      if (ids.length > start) ids.push(boundary);
    }
    if (!options.trailingBoundary && ids.length > 0) ids.pop();
    if (options.unknown === "error" && skipped.length > 0) {
      throw new Error(
        `${JSON.stringify(text)}: the vocabulary lacks ${[...new Set(skipped)].map((letter) => JSON.stringify(letter)).join(", ")}\n` +
          "make a vocabulary of the transcripts, change the case of letters, or let unknown characters be skipped",
      );
    }
    return { ids, skipped };
  }

  /** The text of classes that a decoder gave: boundaries as single spaces, blank and symbols in angle brackets left out. */
  decode(ids: Iterable<number>): string {
    const { symbols, blank, boundary } = this.vocabulary;
    let text = "";
    for (const id of ids) {
      const symbol = symbols[id];
      if (symbol === undefined) throw new RangeError(`vocabulary: class ${id} is outside 0..${symbols.length - 1}`);
      if (id === boundary) text += " ";
      else if (id !== blank && !isSpecial(symbol)) text += symbol;
    }
    return text.trim().replace(/ +/g, " ");
  }
}

/** True for symbols without text, such as `<unk>`. */
export function isSpecial(symbol: string): boolean {
  return /^<.+>$/.test(symbol);
}
