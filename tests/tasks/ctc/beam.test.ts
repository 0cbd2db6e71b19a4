/** Beam search against the sum over all paths, and the effect of language model, word score and lexicon; best-path decoding. */
import { describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import type { CtcVocabulary } from "../../../src/data/audio/vocabulary.js";
import { NgramModel } from "../../../src/tasks/ctc/arpa.js";
import { type BeamOptions, decodeBeam, makeLexicon } from "../../../src/tasks/ctc/beam.js";
import { decodeGreedy } from "../../../src/tasks/ctc/greedy.js";

const VOCABULARY: CtcVocabulary = { symbols: ["<pad>", "|", "a", "b"], blank: 0, boundary: 1, letterCase: "keep" };
const CLASSES = VOCABULARY.symbols.length;

function randomLogProbs(frames: number, seed: number, classes = CLASSES): Float32Array {
  const random = new Philox(seed, "ctc");
  const out = new Float32Array(frames * classes);
  for (let frame = 0; frame < frames; frame++) {
    const weights = Array.from({ length: classes }, () => Math.exp(1.5 * random.normal()));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [id, weight] of weights.entries()) out[frame * classes + id] = Math.log(weight / total);
  }
  return out;
}

function model(): NgramModel {
  const ngrams = new NgramModel([5, 3]);
  for (const [words, probability, backoff] of [
    ["<unk>", -1.7, 0],
    ["<s>", -99, -0.2],
    ["</s>", -0.6, 0],
    ["a", -0.5, -0.3],
    ["ab", -0.9, -0.1],
    ["<s> ab", -0.3, 0],
    ["a </s>", -0.4, 0],
    ["ab a", -0.2, 0],
  ] as const) {
    ngrams.add(words.split(" "), probability, backoff);
  }
  return ngrams;
}

/** The score of every labeling: all paths are listed and summed. */
function bruteForce(logProbs: Float32Array, options: BeamOptions, allowed?: readonly string[]) {
  const frames = logProbs.length / CLASSES;
  const sums = new Map<string, number>();
  for (let path = 0; path < CLASSES ** frames; path++) {
    let probability = 1;
    let last = -1;
    let text = "";
    for (let frame = 0, rest = path; frame < frames; frame++, rest = Math.floor(rest / CLASSES)) {
      const id = rest % CLASSES;
      probability *= Math.exp(logProbs[frame * CLASSES + id]!);
      if (id !== VOCABULARY.blank && id !== last) text += VOCABULARY.symbols[id];
      last = id;
    }
    sums.set(text, (sums.get(text) ?? 0) + probability);
  }
  return [...sums]
    .map(([text, probability]) => {
      const words = text.split("|").filter((word) => word !== "");
      const lmScore = options.languageModel === undefined ? 0 : (options.languageModel as NgramModel).sentence(words);
      const score = Math.log(probability) + (options.lmWeight ?? 2) * lmScore + (options.wordScore ?? 0) * words.length;
      return { text, words, score };
    })
    .filter(({ words }) => allowed === undefined || words.every((word) => allowed.includes(word)))
    .sort((a, b) => b.score - a.score);
}

const textOf = (ids: readonly number[]) => ids.map((id) => VOCABULARY.symbols[id]).join("");

describe("beam search", () => {
  const everything = { beamSize: 1_000_000, beamThreshold: Number.POSITIVE_INFINITY, nBest: 20 };
  it.each([
    ["alone", {}],
    ["with a word score", { wordScore: 0.7 }],
    ["with a language model", { languageModel: model(), lmWeight: 0.8, wordScore: 0.4 }],
  ])("with a beam for everything equals the sum over all paths, %s", (_, extra) => {
    for (let seed = 0; seed < 6; seed++) {
      const logProbs = randomLogProbs(5, seed);
      const options = { ...everything, ...extra };
      const expected = bruteForce(logProbs, options);
      const found = decodeBeam(logProbs, VOCABULARY, options);
      expect(found.length).toBe(20);
      for (const [rank, { ids, words, score, ctcScore, lmScore }] of found.entries()) {
        expect(textOf(ids)).toBe(expected[rank]!.text);
        expect(words).toEqual(expected[rank]!.words);
        expect(score).toBeCloseTo(expected[rank]!.score, 6);
        const { lmWeight = 2, wordScore = 0 } = options as BeamOptions;
        expect(ctcScore + lmWeight * lmScore + wordScore * words.length).toBeCloseTo(score, 9);
      }
    }
  });

  it("writes only the words of a lexicon", () => {
    const allowed = ["ab", "bb", "a"];
    const lexicon = makeLexicon(allowed, VOCABULARY);
    for (let seed = 10; seed < 16; seed++) {
      const logProbs = randomLogProbs(5, seed);
      const options = { ...everything, languageModel: model(), lmWeight: 0.5, wordScore: -0.3, lexicon };
      const expected = bruteForce(logProbs, options, allowed);
      const found = decodeBeam(logProbs, VOCABULARY, options);
      expect(found.map(({ ids }) => textOf(ids))).toEqual(expected.slice(0, 20).map(({ text }) => text));
      for (const [rank, { score }] of found.entries()) expect(score).toBeCloseTo(expected[rank]!.score, 6);
    }
    expect(() => makeLexicon(["abc"], VOCABULARY)).toThrow(/"abc": the vocabulary lacks "c"/);
  });

  it("leaves out a word that a lexicon doesn't let end", () => {
    const certain = (text: string) => {
      const logProbs = new Float32Array(text.length * CLASSES).fill(Number.NEGATIVE_INFINITY);
      for (const [frame, symbol] of [...text].entries()) logProbs[frame * CLASSES + "-|ab".indexOf(symbol)] = 0;
      return logProbs;
    };
    const options = { beamSize: 10, lexicon: makeLexicon(["ab", "ba"], VOCABULARY) };
    expect(decodeBeam(certain("ab|ba"), VOCABULARY, options)[0]!.words).toEqual(["ab", "ba"]);
    const [cut] = decodeBeam(certain("ab|b"), VOCABULARY, options);
    expect(cut!.words).toEqual(["ab"]);
    expect(textOf(cut!.ids)).toBe("ab|");
    expect(decodeBeam(certain("abb"), VOCABULARY, options)[0]!.words).toEqual(["ab"]);
    expect(() => decodeBeam(certain("aa|"), VOCABULARY, options)).toThrow(/frame 2 has no finite log-probability of a text/);
  });

  it("with a small beam finds what is clearly best, and keeps frames apart by blanks", () => {
    const peaked = (text: string) => {
      const logProbs = new Float32Array(text.length * CLASSES).fill(Math.log(0.02));
      for (const [frame, symbol] of [...text].entries()) logProbs[frame * CLASSES + "-|ab".indexOf(symbol)] = Math.log(0.94);
      return logProbs;
    };
    for (const beamSize of [1, 2, 8]) {
      const [best] = decodeBeam(peaked("-aa-a-||-bb-"), VOCABULARY, { beamSize });
      expect(textOf(best!.ids)).toBe("aa|b");
      expect(best!.words).toEqual(["aa", "b"]);
    }
    expect(decodeBeam(new Float32Array(0), VOCABULARY, { beamSize: 4 })).toEqual([
      { ids: [], words: [], score: 0, ctcScore: 0, lmScore: 0 },
    ]);
  });

  it("never writes symbols without text, and refuses what it can't search", () => {
    const vocabulary: CtcVocabulary = { symbols: ["<pad>", "<unk>", "|", "a"], blank: 0, boundary: 2, letterCase: "keep" };
    const logProbs = new Float32Array([-3, -0.1, -4, -2.5]);
    expect(decodeBeam(logProbs, vocabulary, { beamSize: 10 })[0]!.ids).toEqual([3]);
    expect(() => decodeBeam(new Float32Array(5), VOCABULARY, { beamSize: 10 })).toThrow(/expected frames of 4 classes, got 5 values/);
    expect(() => decodeBeam(logProbs, VOCABULARY, { beamSize: 0 })).toThrow(/beamSize: expected a whole number from 1/);
    expect(() => decodeBeam(new Float32Array([0, Number.NaN, 0, 0]), VOCABULARY, { beamSize: 2 })).toThrow(/class 1 is NaN/);
  });
});

describe("greedy", () => {
  it("collapses repeats, drops blanks, and times symbols and words", () => {
    const path = "-aa-a||b--b";
    const logProbs = new Float32Array(path.length * CLASSES).fill(Math.log(0.1));
    for (const [frame, symbol] of [...path].entries()) logProbs[frame * CLASSES + "-|ab".indexOf(symbol)] = Math.log(0.7);
    const { ids, symbols, words, score } = decodeGreedy(logProbs, CLASSES, VOCABULARY);
    expect(textOf(ids)).toBe("aa|bb");
    expect(symbols).toEqual([
      { id: 2, start: 1, end: 3 },
      { id: 2, start: 4, end: 5 },
      { id: 1, start: 5, end: 7 },
      { id: 3, start: 7, end: 8 },
      { id: 3, start: 10, end: 11 },
    ]);
    expect(words).toEqual([
      { ids: [2, 2], start: 1, end: 5 },
      { ids: [3, 3], start: 7, end: 11 },
    ]);
    expect(score).toBeCloseTo(path.length * Math.log(0.7), 5);
  });

  it("gives nothing for nothing, and refuses frames without a likeliest class", () => {
    expect(decodeGreedy(new Float32Array(0), 4, VOCABULARY)).toEqual({ ids: [], symbols: [], words: [], score: 0 });
    expect(decodeGreedy(new Float32Array([0, -9, -9, -9]), 4, VOCABULARY).ids).toEqual([]);
    expect(() => decodeGreedy(new Float32Array(4).fill(Number.NaN), 4, VOCABULARY)).toThrow(/frame 0 has no finite/);
    expect(() => decodeGreedy(new Float32Array(4).fill(Number.NEGATIVE_INFINITY), 4, VOCABULARY)).toThrow(/frame 0 has no finite/);
  });
});
