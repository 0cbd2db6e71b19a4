/** Subsets: random but reproducible, balanced, disjoint. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balancedSubset, holdOut, type ImageDataset, requireClasses, subset } from "../../../src/data/image/dataset.js";

/** A set whose image i has the label `labels[i]` and the name i. */
function made(labels: number[], classes: string[] | null = ["a", "b", "c"]): ImageDataset {
  return {
    description: "made up",
    size: labels.length,
    classes,
    shape: null,
    label: (index) => labels[index]!,
    name: (index) => String(index),
    file: () => null,
    read: async (index) => ({ width: 1, height: 1, channels: 1, data: Uint8Array.of(index) }),
  };
}
const names = (set: ImageDataset) => Array.from({ length: set.size }, (_, i) => Number(set.name(i)));
const counts = (set: ImageDataset) => {
  const result = [0, 0, 0];
  for (let i = 0; i < set.size; i++) result[set.label(i)]! += 1;
  return result;
};
const thirty = made(Array.from({ length: 30 }, (_, i) => i % 3));

describe("subset", () => {
  it("is a view in the given order", async () => {
    const view = subset(thirty, [7, 3, 3]);
    expect(names(view)).toEqual([7, 3, 3]);
    expect(view.label(0)).toBe(1);
    expect(Array.from((await view.read(1)).data)).toEqual([3]);
    expect(() => view.name(3)).toThrow(RangeError);
    await expect(view.read(3)).rejects.toThrow(RangeError);
    expect(() => subset(thirty, [30])).toThrow(/index 30 is outside 0..29/);
  });
});

describe("balancedSubset", () => {
  it("takes the same number of each class, others by seed, larger ones around smaller ones", () => {
    const small = names(balancedSubset(thirty, 6, 1));
    expect(counts(balancedSubset(thirty, 6, 1))).toEqual([2, 2, 2]);
    expect(names(balancedSubset(thirty, 6, 1))).toEqual(small);
    expect(names(balancedSubset(thirty, 6, 2))).not.toEqual(small);
    expect(names(balancedSubset(thirty, 15, 1))).toEqual(expect.arrayContaining(small));
    expect(names(balancedSubset(thirty, 30, 1))).toEqual(names(thirty));
  });

  it("gives some classes one more where it doesn't divide", () => {
    expect(counts(balancedSubset(thirty, 8, 1)).sort()).toEqual([2, 3, 3]);
  });

  it("says what is missing", () => {
    expect(() => balancedSubset(made([0, 0, 0, 1, 2]), 6, 1)).toThrow(/class b has 1 samples, but 6 in all need 2 of it/);
    expect(() => balancedSubset(made([-1, -1], null), 2, 1)).toThrow(/has no labels\nput the images of each class/);
    expect(() => balancedSubset(thirty, 0, 1)).toThrow(RangeError);
    expect(() => requireClasses(made([], null))).toThrow(/no labels/);
  });
});

describe("holdOut", () => {
  it("divides the set, class by class, for any labels", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2), { minLength: 20, maxLength: 60 }),
        fc.double({ min: 0.2, max: 0.8, noNaN: true }),
        fc.nat(),
        (labels, fraction, seed) => {
          const set = made(labels);
          const { rest, heldOut } = holdOut(set, fraction, seed);
          expect([...names(rest), ...names(heldOut)].sort((a, b) => a - b)).toEqual(names(set));
          const [all, held] = [counts(set), counts(heldOut)];
          for (let label = 0; label < 3; label++) expect(Math.abs(held[label]! - all[label]! * fraction)).toBeLessThan(1);
          expect(names(holdOut(set, fraction, seed).heldOut)).toEqual(names(heldOut));
        },
      ),
    );
  });

  it("refuses fractions and sets that leave nothing", () => {
    expect(() => holdOut(thirty, 1, 1)).toThrow(/between 0 and 1/);
    expect(() => holdOut(made([0]), 0.5, 1)).toThrow(/too few/);
  });
});
