/** What labelled clips should give: classes with smoothing, or transcripts as symbols. */
import type { AudioBatch } from "../../data/audio/loader.js";
import { CtcTokenizer, type CtcVocabulary, type LetterCase, normalizeText, vocabularyOf } from "../../data/audio/vocabulary.js";
import type { ClipTargets } from "./feeds.js";

/** Classes as soft targets; `smoothing` is the part that is spread over all of them. */
export function classTargets(classes: number, smoothing = 0): (batch: AudioBatch) => ClipTargets {
  return ({ labels }) => {
    const values = new Float32Array(labels.length * classes).fill(smoothing / classes);
    for (const [row, label] of labels.entries()) values[row * classes + label] += 1 - smoothing;
    return { values, width: classes, lengths: null, expected: { kind: "classes", labels } };
  };
}

/**
 * Transcripts as symbols, each word followed by the boundary, as the published models were fine-tuned.
 *
 * @param unknown characters that the vocabulary lacks are an error, or left out of what the loss is taken of
 */
export function transcriptTargets(vocabulary: CtcVocabulary, unknown: "error" | "skip"): (batch: AudioBatch) => ClipTargets {
  const tokenizer = new CtcTokenizer(vocabulary);
  return ({ transcripts, names }) => {
    const ids = transcripts.map((text, i) => {
      if (text === null) throw new Error(`${names[i]}: has no transcript`);
      return tokenizer.encode(text, { trailingBoundary: true, unknown }).ids;
    });
    const width = Math.max(1, ...ids.map((symbols) => symbols.length));
    const values = new Int32Array(ids.length * width).fill(vocabulary.blank);
    for (const [row, symbols] of ids.entries()) values.set(symbols, row * width);
    const texts = transcripts.map((text) => normalizeText(text!, vocabulary.letterCase));
    return { values, width, lengths: Int32Array.from(ids, (symbols) => symbols.length), expected: { kind: "transcripts", texts } };
  };
}

/** The vocabulary of a model's symbols; the case of its letters is that of all of them. */
export function symbolVocabulary(symbols: readonly string[]): CtcVocabulary {
  return vocabularyOf(symbols, caseOf(symbols.filter((symbol) => [...symbol].length === 1)));
}

function caseOf(letters: readonly string[]): LetterCase {
  const large = letters.some((letter) => letter.toLowerCase() !== letter);
  const small = letters.some((letter) => letter.toUpperCase() !== letter);
  if (large === small) return "keep";
  return large ? "upper" : "lower";
}
