import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { equalizeMasks, spanMask } from "../../src/modalities/speech/mask.js";

interface Statistics {
  fraction_masked: { mean: number; std: number };
  runs_per_row: { mean: number; std: number };
  run_length: { mean: number; std: number };
  position_mask_probability_first16: number[];
  position_mask_probability_last16_of_valid: number[];
}

const golden: Record<string, { stats: Statistics }> = JSON.parse(
  readFileSync(new URL("../golden/mask_stats.json", import.meta.url), "utf8"),
);
const PUBLISHED = { probability: 0.65, span: 10, minSpans: 1 };
const BATCHES = 1000;

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const countOf = (mask: Uint8Array) => mask.reduce((sum, flag) => sum + flag, 0);

/** Lengths of the runs of masked frames. */
function runs(mask: Uint8Array): number[] {
  return [...mask.join("").matchAll(/1+/g)].map(([run]) => run.length);
}

describe.each([
  { name: "span_v1_audio_base", lengths: [499, 499, 499, 499], same: true },
  { name: "span_v1_audio_base_padded", lengths: [499, 439, 249, 166], same: true },
  { name: "span_v1_audio_not_same", lengths: [499, 439, 249, 166], same: false },
])("span masks are distributed as fairseq's $name", ({ name, lengths, same }) => {
  const { stats } = golden[name];
  const batches = Array.from({ length: BATCHES }, (_, batch) => {
    const masks = lengths.map((length, row) => spanMask(length, PUBLISHED, new Philox(3, "mask", batch, row)));
    if (same) equalizeMasks(masks, (row) => new Philox(3, "thin", batch, row));
    return masks;
  });
  const rows = batches.flat();
  /** Both means are of as many batches; rows of a batch aren't independent, so that its number counts. */
  const close = (actual: number, expected: { mean: number; std: number }, what: string, count = BATCHES) =>
    expect(Math.abs(actual - expected.mean), `${what}: ${actual}, fairseq ${expected.mean}`).toBeLessThan(
      4.5 * expected.std * Math.sqrt(2 / count),
    );

  it("masks as many frames", () => {
    close(mean(rows.map((mask) => countOf(mask) / mask.length)), stats.fraction_masked, "fraction masked");
  });

  it("masks as many runs, of the same lengths", () => {
    close(mean(rows.map((mask) => runs(mask).length)), stats.runs_per_row, "runs");
    close(mean(rows.flatMap(runs)), stats.run_length, "length of a run", BATCHES * stats.runs_per_row.mean);
  });

  it("masks the first and last frames as often", () => {
    const near = (position: (mask: Uint8Array) => number, theirs: number, what: string) => {
      const ours = mean(rows.map(position));
      const spread = Math.sqrt(Math.max(theirs * (1 - theirs), 1e-3) * (2 / rows.length));
      expect(Math.abs(ours - theirs), `${what}: ${ours}, fairseq ${theirs}`).toBeLessThan(5 * spread);
    };
    for (const [i, theirs] of stats.position_mask_probability_first16.entries()) near((mask) => mask[i], theirs, `frame ${i}`);
    const last = stats.position_mask_probability_last16_of_valid;
    for (const [i, theirs] of last.entries()) near((mask) => mask[mask.length - last.length + i], theirs, `frame ${i - last.length}`);
  });
});

describe("spanMask", () => {
  it("never masks the last frame, and always one of two or more, whatever the sizes", () => {
    const sizes = fc.record({
      length: fc.integer({ min: 2, max: 60 }),
      probability: fc.double({ min: 0, max: 3, noNaN: true }),
      span: fc.integer({ min: 1, max: 30 }),
      minSpans: fc.integer({ min: 1, max: 9 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(sizes, ({ length, seed, ...config }) => {
        const mask = spanMask(length, config, new Philox(seed, "mask"));
        expect(mask).toHaveLength(length);
        expect(mask[length - 1]).toBe(0);
        expect(countOf(mask)).toBeGreaterThan(0);
      }),
    );
  });

  it("masks nothing of a single frame, nor without spans", () => {
    expect([...spanMask(1, PUBLISHED, new Philox(0, "mask"))]).toEqual([0]);
    expect(countOf(spanMask(50, { probability: 0, span: 10, minSpans: 0 }, new Philox(0, "mask")))).toBe(0);
  });

  it("cuts spans to a third of a short clip", () => {
    const masks = Array.from({ length: 200 }, (_, i) => spanMask(12, { ...PUBLISHED, probability: 0.1 }, new Philox(i, "mask")));
    expect(new Set(masks.flatMap(runs))).toEqual(new Set([4]));
    expect(mean(masks.map((mask) => mask[0]))).toBeLessThan(0.3);
  });

  it("has the share of one clip that the published code has", () => {
    const fraction = mean(Array.from({ length: 400 }, (_, i) => countOf(spanMask(999, PUBLISHED, new Philox(i, "mask"))) / 999));
    expect(fraction).toBeCloseTo(0.49, 2);
  });

  it("is a function of its random stream", () => {
    expect(spanMask(99, PUBLISHED, new Philox(1, "mask", 5))).toEqual(spanMask(99, PUBLISHED, new Philox(1, "mask", 5)));
    expect(spanMask(99, PUBLISHED, new Philox(1, "mask", 5))).not.toEqual(spanMask(99, PUBLISHED, new Philox(1, "mask", 6)));
  });
});

describe("equalizeMasks", () => {
  it("only unmasks, down to the fewest", () => {
    const masks = [40, 99, 63].map((length, row) => spanMask(length, PUBLISHED, new Philox(1, "mask", row)));
    const before = masks.map((mask) => mask.slice());
    const fewest = equalizeMasks(masks, (row) => new Philox(1, "thin", row));
    expect(fewest).toBe(Math.min(...before.map(countOf)));
    for (const [row, mask] of masks.entries()) {
      expect(countOf(mask)).toBe(fewest);
      expect(mask.every((flag, i) => flag <= before[row][i])).toBe(true);
    }
  });
});
