/** Mixup, CutMix and soft targets of a batch. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import { mixBatch } from "../../../src/data/image/mixup.js";

const OFF = { mixup: 0, cutmix: 0, switchProbability: 0.5, probability: 1, labelSmoothing: 0 };
const SHAPE = [4, 2, 6, 5] as const;
/** Every value of image i is i. */
const numbered = ([batch, channels, height, width]: readonly number[] = SHAPE) => {
  const size = channels! * height! * width!;
  return Float32Array.from({ length: batch! * size }, (_, at) => Math.floor(at / size));
};
const labels = Int32Array.from([0, 1, 2, 3]);

describe("mixBatch", () => {
  it("smooths labels and leaves the images alone where nothing is on", () => {
    const pixels = numbered();
    const targets = mixBatch(pixels, SHAPE, labels, 5, { ...OFF, labelSmoothing: 0.1 }, new Philox(1, "mix"));
    expect(pixels).toEqual(numbered());
    expect(targets.length).toBe(20);
    expect(targets[0]).toBeCloseTo(0.92, 6);
    expect(targets[1]).toBeCloseTo(0.02, 6);
    expect(() => mixBatch(pixels, SHAPE, labels, 3, OFF, new Philox(1, "mix"))).toThrow(/label 3 is outside/);
  });

  it("blends mirrored images by the weight the targets carry", () => {
    for (let seed = 0; seed < 50; seed++) {
      const pixels = numbered();
      const targets = mixBatch(pixels, SHAPE, labels, 4, { ...OFF, mixup: 0.8 }, new Philox(seed, "mix"));
      for (let i = 0; i < 4; i++) {
        const weight = targets[i * 4 + i]!;
        expect(targets[i * 4 + 3 - i]).toBeCloseTo(1 - weight, 5);
        for (const value of pixels.subarray(i * 60, i * 60 + 60)) expect(value).toBeCloseTo(i * weight + (3 - i) * (1 - weight), 5);
      }
    }
  });

  it("swaps one rectangle whose area the targets carry", () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      const pixels = numbered();
      const targets = mixBatch(pixels, SHAPE, labels, 4, { ...OFF, cutmix: 1 }, new Philox(seed, "mix"));
      for (let i = 0; i < 4; i++) {
        const planes = [pixels.subarray(i * 60, i * 60 + 30), pixels.subarray(i * 60 + 30, i * 60 + 60)];
        expect(planes[0]).toEqual(planes[1]);
        const swapped = Array.from(planes[0]!.keys()).filter((at) => planes[0]![at] === 3 - i);
        expect(swapped.length + planes[0]!.filter((value) => value === i).length).toBe(30);
        expect(targets[i * 4 + i]).toBeCloseTo(1 - swapped.length / 30, 5);
        seen.add(swapped.length);
        if (swapped.length === 0) continue;
        const xs = swapped.map((at) => at % 5);
        const ys = swapped.map((at) => Math.floor(at / 5));
        const area = (Math.max(...xs) - Math.min(...xs) + 1) * (Math.max(...ys) - Math.min(...ys) + 1);
        expect(swapped.length).toBe(area);
      }
    }
    expect(seen.size).toBeGreaterThan(8);
  });

  it("chooses between the two, or neither, as often as asked", () => {
    let blended = 0;
    let untouched = 0;
    const options = { mixup: 0.8, cutmix: 1, switchProbability: 0.3, probability: 0.8, labelSmoothing: 0 };
    for (let seed = 0; seed < 3000; seed++) {
      const pixels = numbered([2, 1, 8, 8]);
      const targets = mixBatch(pixels, [2, 1, 8, 8], Int32Array.from([0, 1]), 2, options, new Philox(seed, "mix"));
      // Only a blend has values between those of the two images.
      if (pixels.some((value) => value > 0 && value < 1)) blended += 1;
      else if (targets[0] === 1) untouched += 1;
    }
    expect(blended / 3000).toBeCloseTo(0.8 * 0.7, 1);
    // Left out one time in five; besides, some CutMix rectangles are empty.
    expect(untouched / 3000).toBeGreaterThan(0.17);
    expect(untouched / 3000).toBeLessThan(0.26);
  });

  it("draws weights from Beta(alpha, alpha)", () => {
    for (const alpha of [0.2, 0.8, 1, 3]) {
      const weights = Array.from({ length: 4000 }, (_, seed) => {
        const targets = mixBatch(
          new Float32Array(2),
          [2, 1, 1, 1],
          Int32Array.from([0, 1]),
          2,
          { ...OFF, mixup: alpha },
          new Philox(seed, "b"),
        );
        return targets[0]!;
      });
      const mean = weights.reduce((a, b) => a + b) / weights.length;
      const variance = weights.reduce((a, b) => a + (b - mean) ** 2, 0) / weights.length;
      expect(mean).toBeCloseTo(0.5, 1);
      expect(Math.abs(variance - 1 / (4 * (2 * alpha + 1)))).toBeLessThan(0.01);
    }
  });

  it("gives rows of sum 1, for any batch", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(), fc.double({ min: 0, max: 0.9, noNaN: true }), (batch, seed, labelSmoothing) => {
        const options = { mixup: 0.8, cutmix: 1, switchProbability: 0.5, probability: 1, labelSmoothing };
        const some = Int32Array.from({ length: batch }, (_, i) => (i * 5) % 7);
        const targets = mixBatch(numbered([batch, 1, 4, 4]), [batch, 1, 4, 4], some, 7, options, new Philox(seed, "mix"));
        for (let i = 0; i < batch; i++) {
          const row = targets.subarray(i * 7, i * 7 + 7);
          expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
          expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
