/** Masks: exact properties, and the distribution of fairseq's. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import { BERT_MASKING, maskTokens, SPAN_MASKING, type TextMasking } from "../../../src/data/text/mask.js";

const SPECIAL = { bos: 0, pad: 1, eos: 2, unk: 3, mask: 99 };
const VOCABULARY = { size: 100, special: SPECIAL };

interface Histogram {
  [length: string]: number;
}
interface Statistics {
  fraction_masked: { mean: number; std: number };
  runs_per_row: { mean: number; std: number };
  run_length: { mean: number; std: number; n: number };
  gap_length: { mean: number; std: number; n: number };
  run_length_histogram: Histogram;
  position_mask_probability_first16: number[];
  position_mask_probability_last16_of_valid: number[];
}

const golden: Statistics = JSON.parse(readFileSync(new URL("../../golden/text_mask_stats.json", import.meta.url), "utf8"))
  .text_v1_mask_tokens_dataset.stats;

function draw(length: number, masking: TextMasking, index: number) {
  const ids = Int32Array.from({ length }, (_, at) => (at === 0 ? 0 : at === length - 1 ? 2 : 4 + ((at * 7) % 95)));
  return { ids, ...maskTokens(ids, masking, VOCABULARY, new Philox(3, "mask", 0, index)) };
}

/** Lengths of the runs of equal values: of ones, and of zeros. */
function runs(flags: Uint8Array): { ones: number[]; zeros: number[] } {
  const found = { ones: [] as number[], zeros: [] as number[] };
  for (let from = 0; from < flags.length; ) {
    let to = from;
    while (to < flags.length && flags[to] === flags[from]) to++;
    (flags[from] === 1 ? found.ones : found.zeros).push(to - from);
    from = to;
  }
  return found;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("span masking", () => {
  const DRAWS = 4000;
  const masks = Array.from({ length: DRAWS }, (_, index) => {
    const flags = new Uint8Array(512);
    for (const at of draw(512, SPAN_MASKING, index).positions) flags[at] = 1;
    return flags;
  });
  const spread = (std: number, ours: number, theirs: number) => 4.5 * std * Math.sqrt(1 / ours + 1 / theirs);

  it("covers as many tokens as fairseq's", () => {
    const fractions = masks.map((mask) => mask.reduce((sum, flag) => sum + flag, 0) / 512);
    const { mean: expected, std } = golden.fraction_masked;
    expect(Math.abs(mean(fractions) - expected)).toBeLessThan(spread(std, DRAWS, 1000));
    const deviation = Math.sqrt(mean(fractions.map((value) => (value - mean(fractions)) ** 2)));
    // The standard error of a deviation is about std / sqrt(2 n).
    expect(Math.abs(deviation - std)).toBeLessThan(spread(std / Math.SQRT2, DRAWS, 1000));
  });

  it("makes runs and gaps as long and as many", () => {
    const found = masks.map(runs);
    const [ones, zeros] = [found.flatMap((each) => each.ones), found.flatMap((each) => each.zeros)];
    const { runs_per_row: perRow, run_length: run, gap_length: gap, run_length_histogram: histogram } = golden;
    expect(Math.abs(ones.length / DRAWS - perRow.mean)).toBeLessThan(spread(perRow.std, DRAWS, 1000));
    expect(Math.abs(mean(ones) - run.mean)).toBeLessThan(spread(run.std, ones.length, run.n));
    expect(Math.abs(mean(zeros) - gap.mean)).toBeLessThan(spread(gap.std, zeros.length, gap.n));
    for (let length = 1; length <= 10; length++) {
      const theirs = histogram[length]! / run.n;
      const ours = ones.filter((each) => each === length).length / ones.length;
      expect(Math.abs(ours - theirs), `runs of ${length}`).toBeLessThan(spread(Math.sqrt(theirs), ones.length, run.n));
    }
  });

  it("masks each position as often, at both ends too", () => {
    const probability = (at: number) => masks.reduce((sum, mask) => sum + mask[at]!, 0) / DRAWS;
    const check = (theirs: readonly number[], first: number) => {
      for (const [i, expected] of theirs.entries()) {
        const limit = spread(Math.sqrt(expected * (1 - expected)), DRAWS, 1000);
        expect(Math.abs(probability(first + i) - expected), `position ${first + i}`).toBeLessThan(limit);
      }
    };
    check(golden.position_mask_probability_first16, 0);
    check(golden.position_mask_probability_last16_of_valid, 512 - 16);
  });

  it("hides every chosen token and changes no other", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 80 }), fc.nat(), fc.integer({ min: 1, max: 6 }), (length, index, span) => {
        const { ids, tokens, positions } = draw(length, { ...SPAN_MASKING, span }, index);
        const chosen = new Set(positions);
        for (let at = 0; at < length; at++) expect(tokens[at]).toBe(chosen.has(at) ? SPECIAL.mask : ids[at]);
        expect([...positions]).toEqual([...chosen].sort((a, b) => a - b));
        const starts = (0.35 * length) / span;
        expect(positions.length).toBeLessThanOrEqual(Math.ceil(starts) * span);
        if (starts >= 1) expect(positions.length).toBeGreaterThanOrEqual(1);
        for (const run of runs(Uint8Array.from({ length }, (_, at) => (chosen.has(at) ? 1 : 0))).ones.slice(0, -1)) {
          expect(run).toBeGreaterThanOrEqual(span);
        }
      }),
    );
  });

  it("draws floor(p n / span + u) different starts", () => {
    // Spans of one show the starts: 0.3 * 15 = 4.5 gives 4 or 5, each half of the time.
    const counts = Array.from({ length: 2000 }, (_, i) => draw(15, { probability: 0.3, span: 1, random: 0, keep: 0 }, i).positions.length);
    expect(new Set(counts)).toEqual(new Set([4, 5]));
    expect(Math.abs(mean(counts) - 4.5)).toBeLessThan(4.5 * (0.5 / Math.sqrt(2000)));
    expect(draw(15, { probability: 1, span: 1, random: 0, keep: 0 }, 0).positions.length).toBe(15);
  });
});

describe("BERT's masking", () => {
  const DRAWS = 3000;
  const draws = Array.from({ length: DRAWS }, (_, index) => draw(200, BERT_MASKING, index));
  const within = (share: number, expected: number, count: number) =>
    expect(Math.abs(share - expected)).toBeLessThan(4.5 * Math.sqrt((expected * (1 - expected)) / count));

  it("has a loss where the input is <mask>, 80 % of 15 % of the tokens", () => {
    for (const { tokens, positions } of draws) {
      expect([...positions]).toEqual([...tokens.keys()].filter((at) => tokens[at] === SPECIAL.mask));
    }
    within(mean(draws.map(({ positions }) => positions.length / 200)), 0.12, DRAWS * 200);
  });

  it("replaces 10 % by any token but a special one, each as often", () => {
    const replaced = draws.flatMap(({ ids, tokens }) => [...tokens].filter((token, at) => token !== ids[at] && token !== SPECIAL.mask));
    // One in 95 draws is the token that stood there.
    within(replaced.length / (DRAWS * 200), (0.015 * 94) / 95, DRAWS * 200);
    for (const id of [0, 1, 2, 3, 99]) expect(replaced).not.toContain(id);
    const counts = new Map<number, number>();
    for (const id of replaced) counts.set(id, (counts.get(id) ?? 0) + 1);
    const expected = replaced.length / 95;
    const chiSquare = Array.from({ length: 95 }, (_, i) => ((counts.get(4 + i) ?? 0) - expected) ** 2 / expected).reduce((a, b) => a + b);
    // 94 degrees of freedom: mean 94, deviation 13.7.
    expect(chiSquare).toBeLessThan(94 + 4.5 * 13.7);
  });
});

describe("masks", () => {
  it("are the same for the same key, others for another epoch, seed or index", () => {
    const ids = Int32Array.from({ length: 100 }, (_, at) => 4 + (at % 90));
    const make = (...key: [number, number, number]) => [
      ...maskTokens(ids, BERT_MASKING, VOCABULARY, new Philox(key[0], "mask", key[1], key[2])).tokens,
    ];
    expect(make(1, 2, 3)).toEqual(make(1, 2, 3));
    for (const other of [
      [2, 2, 3],
      [1, 1, 3],
      [1, 2, 4],
    ] as [number, number, number][])
      expect(make(...other)).not.toEqual(make(1, 2, 3));
  });

  it.each([
    [{ ...SPAN_MASKING, probability: 0 }, "probability"],
    [{ ...SPAN_MASKING, span: 1.5 }, "span"],
    [{ ...SPAN_MASKING, random: 0.5, keep: 0.5 }, "random and keep"],
  ])("refuse %j", (masking, message) => {
    expect(() => draw(10, masking, 0)).toThrow(message);
  });
});
