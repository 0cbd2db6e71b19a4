/** Vocabularies, and word and character error rates. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CtcTokenizer, letterVocabulary, normalizeText, PUBLISHED_VOCABULARY } from "../../../src/data/audio/vocabulary.js";
import { alignTokens, characterErrorRate, errorRate, wordErrorRate } from "../../../src/tasks/ctc/error-rate.js";

const LTR = { trailingBoundary: true, unknown: "error" } as const;

describe("vocabulary", () => {
  it("of the published models has their 32 rows", () => {
    const { symbols } = PUBLISHED_VOCABULARY;
    expect(symbols.length).toBe(32);
    expect(symbols.slice(0, 8)).toEqual(["<pad>", "<s>", "</s>", "<unk>", "|", "E", "T", "A"]);
    expect(symbols.slice(26)).toEqual(["K", "'", "X", "J", "Q", "Z"]);
    const tokenizer = new CtcTokenizer(PUBLISHED_VOCABULARY);
    expect(
      tokenizer
        .encode("It's a cat", LTR)
        .ids.map((id) => symbols[id])
        .join(""),
    ).toBe("IT'S|A|CAT|");
    expect(tokenizer.decode([4, 7, 4, 4, 1, 0, 3, 7, 4])).toBe("A A");
  });

  it("of letters is that of the transcripts, sorted", () => {
    const vocabulary = letterVocabulary(["Zwei  Äpfel", "ein Apfel"], "lower");
    expect(vocabulary.symbols).toEqual(["<pad>", "|", "a", "e", "f", "i", "l", "n", "p", "w", "z", "ä"]);
    const tokenizer = new CtcTokenizer(vocabulary);
    expect(tokenizer.decode(tokenizer.encode("  Zwei\nÄPFEL ", LTR).ids)).toBe("zwei äpfel");
    // A decomposed letter is the composed one.
    expect(tokenizer.encode("a\u0308", LTR).ids).toEqual([11, 1]);
    expect(letterVocabulary(["𝄞b"], "keep").symbols).toEqual(["<pad>", "|", "b", "𝄞"]);
    expect(() => letterVocabulary([" ", ""], "keep")).toThrow(/no characters/);
    expect(() => letterVocabulary(["a|b"], "keep")).toThrow(/\|/);
  });

  it("tells of unknown characters, or skips and returns them", () => {
    const tokenizer = new CtcTokenizer(letterVocabulary(["ab"], "keep"));
    expect(() => tokenizer.encode("a-b c", LTR)).toThrow(/"a-b c": the vocabulary lacks "-", "c"/);
    expect(tokenizer.encode("a-b c a|", { trailingBoundary: false, unknown: "skip" })).toEqual({
      ids: [2, 3, 1, 2],
      skipped: ["-", "c", "|"],
    });
    expect(tokenizer.encode("", LTR)).toEqual({ ids: [], skipped: [] });
    expect(() => tokenizer.decode([9])).toThrow(/class 9 is outside 0\.\.3/);
    expect(() => new CtcTokenizer({ symbols: ["<pad>", "|", "a", "a"], blank: 0, boundary: 1, letterCase: "keep" })).toThrow(
      /"a" comes twice/,
    );
    expect(() => new CtcTokenizer({ symbols: ["a"], blank: 0, boundary: 1, letterCase: "keep" })).toThrow(/blank and boundary/);
    expect(normalizeText(" ß\t x ", "upper")).toBe("SS X");
  });
});

describe("error rate", () => {
  it("counts known cases", () => {
    expect(wordErrorRate(["the cat sat on the mat"], ["oh the cat sit on mat"])).toEqual({
      rate: 0.5,
      substitutions: 1,
      deletions: 1,
      insertions: 1,
      length: 6,
    });
    expect(characterErrorRate(["kitten"], ["sitting"])).toMatchObject({ substitutions: 2, deletions: 0, insertions: 1, length: 6 });
    // Over the whole set, not the mean of each.
    expect(wordErrorRate(["a b c", "d"], ["a b c", "x"]).rate).toBe(0.25);
    expect(characterErrorRate([" a  b "], ["a b"])).toMatchObject({ rate: 0, length: 3 });
  });

  it("handles empty references", () => {
    expect(wordErrorRate(["", "a"], ["x y", "a"])).toEqual({ rate: 2, substitutions: 0, deletions: 0, insertions: 2, length: 1 });
    expect(wordErrorRate([""], ["x"]).rate).toBe(Number.POSITIVE_INFINITY);
    expect(wordErrorRate(["", ""], ["", " "]).rate).toBe(0);
    expect(wordErrorRate(["a b"], [""])).toMatchObject({ rate: 1, deletions: 2 });
    expect(() => errorRate([["a"]], [])).toThrow(/expected 1 hypotheses, one a reference, got 0/);
  });

  it("is the edit distance of a plain recursion, and its counts make up the difference of lengths", () => {
    const distance = (a: readonly number[], b: readonly number[]): number => {
      if (a.length === 0 || b.length === 0) return a.length + b.length;
      const [x, ...rest] = a;
      const [y, ...other] = b;
      return Math.min(distance(rest, other) + (x === y ? 0 : 1), distance(rest, b) + 1, distance(a, other) + 1);
    };
    const tokens = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 });
    fc.assert(
      fc.property(tokens, tokens, (reference, hypothesis) => {
        const { substitutions, deletions, insertions } = alignTokens(reference, hypothesis);
        expect(substitutions + deletions + insertions).toBe(distance(reference, hypothesis));
        expect(insertions - deletions).toBe(hypothesis.length - reference.length);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
