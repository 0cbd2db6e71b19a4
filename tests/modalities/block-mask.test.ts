import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { blockMask } from "../../src/modalities/vision/mask.js";

interface Statistics {
  fraction_masked: { mean: number; std: number; min: number };
  position_mask_probability: number[][];
  masked_count_histogram: Record<string, number>;
  inner_boundary_edges: { mean: number; std: number };
  "P(right neighbour masked | masked)": number;
  "P(lower neighbour masked | masked)": number;
}

const stats: Record<string, { stats: Statistics }> = JSON.parse(
  readFileSync(new URL("../golden/mask_stats.json", import.meta.url), "utf8"),
);
const DRAWS = 2000;
const SIDE = 14;

describe.each([
  { name: "beit_masking_generator", target: 120, maxPatches: 196 },
  { name: "beit_masking_generator_75", target: 75, maxPatches: 75 },
])("block masks are distributed as those of $name", ({ name, target, maxPatches }) => {
  const golden = stats[name].stats;
  const masks = Array.from({ length: DRAWS }, (_, i) =>
    blockMask({ side: SIDE, target, minPatches: 16, maxPatches, minAspect: 0.3 }, new Philox(7, "mask", i)),
  );
  const counts = masks.map((mask) => mask.reduce((sum, value) => sum + value, 0));

  it("masks as many patches", () => {
    const mean = counts.reduce((sum, count) => sum + count, 0) / DRAWS / SIDE ** 2;
    const standardError = golden.fraction_masked.std * Math.sqrt(1 / DRAWS + 1 / 1000);
    expect(Math.abs(mean - golden.fraction_masked.mean)).toBeLessThan(4 * standardError);
    expect(Math.max(...counts)).toBeLessThanOrEqual(target);
    const exact = counts.filter((count) => count === target).length / DRAWS;
    const goldenExact = golden.masked_count_histogram[target] / 1000;
    expect(Math.abs(exact - goldenExact)).toBeLessThan(4 * Math.sqrt((goldenExact * (1 - goldenExact) * 3) / DRAWS));
  });

  it("masks each position as often", () => {
    for (let i = 0; i < SIDE ** 2; i++) {
      const ours = masks.reduce((sum, mask) => sum + mask[i], 0) / DRAWS;
      const theirs = golden.position_mask_probability[Math.floor(i / SIDE)][i % SIDE];
      const spread = Math.sqrt(Math.max(theirs * (1 - theirs), 0.01) * (1 / DRAWS + 1 / 1000));
      expect(Math.abs(ours - theirs), `position ${i}: ${ours} against ${theirs}`).toBeLessThan(4.5 * spread);
    }
  });

  it("masks blocks, not scattered patches", () => {
    const neighbour = (step: number, valid: (i: number) => boolean) => {
      let masked = 0;
      let both = 0;
      for (const mask of masks) {
        for (let i = 0; i < mask.length; i++) {
          if (mask[i] === 0 || !valid(i)) continue;
          masked++;
          both += mask[i + step];
        }
      }
      return both / masked;
    };
    const right = neighbour(1, (i) => i % SIDE < SIDE - 1);
    const lower = neighbour(SIDE, (i) => i < SIDE * (SIDE - 1));
    expect(right).toBeCloseTo(golden["P(right neighbour masked | masked)"], 2);
    expect(lower).toBeCloseTo(golden["P(lower neighbour masked | masked)"], 2);
  });
});

describe("blockMask", () => {
  it("is a function of its random stream", () => {
    const config = { side: 7, target: 29, minPatches: 4, maxPatches: 49, minAspect: 0.3 };
    expect(blockMask(config, new Philox(1, "mask", 5))).toEqual(blockMask(config, new Philox(1, "mask", 5)));
    expect(blockMask(config, new Philox(1, "mask", 5))).not.toEqual(blockMask(config, new Philox(1, "mask", 6)));
  });
});
