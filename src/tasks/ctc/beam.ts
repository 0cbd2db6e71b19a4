/** Prefix beam search for CTC with an n-gram language model and a lexicon (Graves 2014; Hannun et al. 2014, arXiv:1408.2873). */

import { type CtcVocabulary, isSpecial } from "../../data/audio/vocabulary.js";
import type { LanguageModel, LanguageState } from "./arpa.js";
import { frameCount } from "./greedy.js";

/** How to search. */
export interface BeamOptions {
  /** Prefixes kept after each frame. */
  readonly beamSize: number;
  /** Prefixes worse than the best by more than so much (natural logarithm) are dropped; 50 by default, as in fairseq. */
  readonly beamThreshold?: number;
  readonly languageModel?: LanguageModel;
  /** Weight of the language model's log-probability; 2 by default, as in fairseq. */
  readonly lmWeight?: number;
  /** Added for each word; -1 by default with a language model, as in fairseq, else 0. */
  readonly wordScore?: number;
  /** The words that may be written; any by default. */
  readonly lexicon?: Lexicon;
  /** How many results to give, best first; 1 by default. */
  readonly nBest?: number;
}

/** A text that was found. */
export interface BeamHypothesis {
  /** Symbols without blanks and repeats; boundaries between words where they were written. */
  readonly ids: readonly number[];
  readonly words: readonly string[];
  /** `ctcScore + lmWeight * lmScore + wordScore * words.length` */
  readonly score: number;
  /** Natural logarithm of the sum of the probabilities of all paths that were followed to this text. */
  readonly ctcScore: number;
  /** Natural logarithm of the language model's probability of the sentence, its end included; 0 without a model. */
  readonly lmScore: number;
}

const NONE = Number.NEGATIVE_INFINITY;

/** Words as a tree of their spellings in a vocabulary's classes. */
export interface Lexicon {
  readonly next: ReadonlyMap<number, Lexicon>;
  /** True where a word ends here. */
  readonly word: boolean;
}

/** Symbols written so far: a node in the tree of prefixes, with all that doesn't depend on the frame. */
class Prefix {
  readonly children = new Map<number, Prefix>();
  /** Log-probabilities of the paths that end in a blank, and of those that end in the last symbol. */
  blank = NONE;
  symbol = NONE;
  nextBlank = NONE;
  nextSymbol = NONE;
  /** True while it is among those reached by the current frame. */
  reached = false;

  constructor(
    readonly parent: Prefix | null,
    readonly id: number,
    /** The word that is being written. */
    readonly partial: string,
    readonly words: readonly string[],
    readonly spelling: Lexicon | null,
    readonly lmState: LanguageState,
    readonly lmScore: number,
  ) {}

  get ctc(): number {
    return logAdd(this.blank, this.symbol);
  }
}

/**
 * Searches for the texts of the highest score. The score of a text is
 * `log P_ctc(symbols) + lmWeight * log P_lm(words, end of sentence) + wordScore * number of words`; prefixes are compared by the same sum over
 * the words that are complete. Texts that differ by a boundary at an end are kept apart. With a beam that holds every prefix, the search is exact.
 *
 * With a lexicon only its words are written. A word that is unfinished at the end isn't one; where all prefixes of the last frame end so, the
 * unfinished word is left out of them.
 *
 * @param logProbs (frames, classes), natural logarithms
 * @throws where the sizes don't match, a log-probability is NaN, or a frame allows no text
 */
export function decodeBeam(logProbs: Float32Array, vocabulary: CtcVocabulary, options: BeamOptions): BeamHypothesis[] {
  const search = new BeamSearch(vocabulary, options);
  const classes = vocabulary.symbols.length;
  const frames = frameCount(logProbs, classes);
  for (let frame = 0; frame < frames; frame++) search.advance(logProbs.subarray(frame * classes, (frame + 1) * classes), frame);
  return search.finish();
}

/** The prefixes after some frames. */
class BeamSearch {
  readonly #lexicon: Lexicon | null;
  readonly #letters: readonly number[];
  readonly #lmWeight: number;
  readonly #wordScore: number;
  #beam: Prefix[];

  constructor(
    private readonly vocabulary: CtcVocabulary,
    private readonly options: BeamOptions,
  ) {
    const { beamSize, nBest = 1, languageModel, lexicon } = options;
    for (const [name, value] of Object.entries({ beamSize, nBest })) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new RangeError(`beam search: ${name}: expected a whole number from 1, got ${value}`);
    }
    this.#lmWeight = options.lmWeight ?? 2;
    this.#wordScore = options.wordScore ?? (languageModel === undefined ? 0 : -1);
    const { symbols, blank } = vocabulary;
    this.#letters = symbols.flatMap((symbol, id) => (id === blank || isSpecial(symbol) ? [] : [id]));
    this.#lexicon = lexicon ?? null;
    const root = new Prefix(null, -1, "", [], this.#lexicon, languageModel?.start ?? [], 0);
    root.blank = 0;
    this.#beam = [root];
  }

  /** Extends the prefixes by one frame of log-probabilities by class. */
  advance(logProbs: Float32Array, frame: number): void {
    const reached: Prefix[] = [];
    const reach = (prefix: Prefix): Prefix => {
      if (!prefix.reached) {
        prefix.reached = true;
        prefix.nextBlank = prefix.nextSymbol = NONE;
        reached.push(prefix);
      }
      return prefix;
    };
    const blank = logProbs[this.vocabulary.blank]!;
    for (const prefix of this.#beam) {
      const total = prefix.ctc;
      reach(prefix).nextBlank = logAdd(prefix.nextBlank, total + blank);
      for (const id of this.#letters) {
        const value = logProbs[id]!;
        if (Number.isNaN(value)) throw new Error(`CTC: frame ${frame}: the log-probability of class ${id} is NaN`);
        if (value === NONE) continue;
        const repeats = id === prefix.id;
        if (repeats) prefix.nextSymbol = logAdd(prefix.nextSymbol, prefix.symbol + value);
        // After itself a symbol is new only beyond a blank.
        const before = repeats ? prefix.blank : total;
        const child = before === NONE ? null : this.#child(prefix, id);
        if (child !== null) reach(child).nextSymbol = logAdd(child.nextSymbol, before + value);
      }
    }
    for (const prefix of reached) {
      prefix.reached = false;
      prefix.blank = prefix.nextBlank;
      prefix.symbol = prefix.nextSymbol;
    }
    const scored = reached.map((prefix) => ({ prefix, score: this.#score(prefix) })).sort((a, b) => b.score - a.score);
    if (!Number.isFinite(scored[0]!.score))
      throw new Error(`CTC: frame ${frame} has no finite log-probability of a text that may be written`);
    const worst = scored[0]!.score - (this.options.beamThreshold ?? 50);
    this.#beam = scored
      .slice(0, this.options.beamSize)
      .filter(({ score }) => score >= worst)
      .map(({ prefix }) => prefix);
    this.#forget(reached);
  }

  finish(): BeamHypothesis[] {
    const whole = this.#beam.filter(({ spelling, partial }) => spelling === null || partial === "" || spelling.word);
    const hypotheses = (whole.length > 0 ? whole : this.#beam).map((prefix) => this.#hypothesis(prefix));
    return hypotheses.sort((a, b) => b.score - a.score).slice(0, this.options.nBest ?? 1);
  }

  /** The prefix with one more symbol; null where the lexicon forbids it. */
  #child(prefix: Prefix, id: number): Prefix | null {
    const known = prefix.children.get(id);
    if (known !== undefined) return known;
    const { symbols, boundary } = this.vocabulary;
    let child: Prefix;
    if (id !== boundary) {
      const spelling = prefix.spelling === null ? null : prefix.spelling.next.get(id);
      if (spelling === undefined) return null;
      child = new Prefix(prefix, id, prefix.partial + symbols[id]!, prefix.words, spelling, prefix.lmState, prefix.lmScore);
    } else if (prefix.partial === "") {
      child = new Prefix(prefix, id, "", prefix.words, prefix.spelling, prefix.lmState, prefix.lmScore);
    } else {
      if (prefix.spelling !== null && !prefix.spelling.word) return null;
      const { state, score } = this.#next(prefix);
      child = new Prefix(prefix, id, "", [...prefix.words, prefix.partial], this.#lexicon, state, prefix.lmScore + score);
    }
    prefix.children.set(id, child);
    return child;
  }

  #next({ lmState, partial }: Prefix): { readonly score: number; readonly state: LanguageState } {
    return this.options.languageModel?.next(lmState, partial) ?? { score: 0, state: [] };
  }

  #score(prefix: Prefix): number {
    return prefix.ctc + this.#weigh(prefix.lmScore, prefix.words.length);
  }

  #weigh(lmScore: number, words: number): number {
    // No model's zero isn't to become NaN by an infinite weight, nor a weight of zero by an impossible word.
    return (this.#lmWeight === 0 ? 0 : this.#lmWeight * lmScore) + this.#wordScore * words;
  }

  #hypothesis(prefix: Prefix): BeamHypothesis {
    const ids: number[] = [];
    for (let at = prefix; at.parent !== null; at = at.parent) ids.unshift(at.id);
    const { partial, spelling } = prefix;
    let { words, lmScore, lmState } = prefix;
    if (partial !== "" && (spelling === null || spelling.word)) {
      const next = this.#next(prefix);
      words = [...words, partial];
      lmScore += next.score;
      lmState = next.state;
    } else if (partial !== "") {
      ids.splice(ids.lastIndexOf(this.vocabulary.boundary) + 1);
    }
    lmScore += this.options.languageModel?.end(lmState) ?? 0;
    return { ids, words, score: prefix.ctc + this.#weigh(lmScore, words.length), ctcScore: prefix.ctc, lmScore };
  }

  /** Lets go of the prefixes that fell out of the beam; those on the way to a kept one stay. */
  #forget(reached: readonly Prefix[]): void {
    const kept = new Set(this.#beam);
    for (const prefix of reached) {
      if (kept.has(prefix)) continue;
      prefix.blank = prefix.symbol = NONE;
      if (prefix.children.size === 0) prefix.parent?.children.delete(prefix.id);
    }
  }
}

/**
 * A lexicon for {@link BeamOptions.lexicon}.
 *
 * @param words in the letter case of the vocabulary
 * @throws where a word can't be spelled with the vocabulary
 */
export function makeLexicon(words: Iterable<string>, { symbols, blank, boundary }: CtcVocabulary): Lexicon {
  interface Node {
    next: Map<number, Node>;
    word: boolean;
  }
  const classes = new Map(symbols.map((symbol, id) => [symbol, id]));
  const root: Node = { next: new Map(), word: false };
  for (const word of words) {
    let node = root;
    for (const letter of word) {
      const id = classes.get(letter);
      if (id === undefined || id === blank || id === boundary) {
        throw new Error(
          `lexicon: ${JSON.stringify(word)}: the vocabulary lacks ${JSON.stringify(letter)}\n` +
            `leave the word out, or write it in the symbols of the model: ${symbols.filter((symbol) => !isSpecial(symbol)).join("")}`,
        );
      }
      let next = node.next.get(id);
      if (next === undefined) node.next.set(id, (next = { next: new Map(), word: false }));
      node = next;
    }
    node.word = word !== "";
  }
  return root;
}

function logAdd(a: number, b: number): number {
  if (a === NONE) return b;
  if (b === NONE) return a;
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b));
}
