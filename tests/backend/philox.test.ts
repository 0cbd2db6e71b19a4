/** Philox against the known answers of Random123, and the streams built on it. */
import { describe, expect, it } from "vitest";
import { Philox, philox4x32, seedWords } from "../../src/backend/philox.js";

describe("philox4x32", () => {
  it.each([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ] as const)("counter %j, key %j", (counter, key, words) => {
    const hex = philox4x32(counter, key).map((word) => word.toString(16).padStart(8, "0"));
    expect(hex.join(" ")).toBe(words);
  });
});

describe("Philox", () => {
  const draws = (stream: Philox, count = 8) => Array.from({ length: count }, () => stream.uint32());

  it("depends on seed, purpose and indices, and on nothing else", () => {
    expect(draws(new Philox(1, "mask", 3, 5))).toEqual(draws(new Philox(1, "mask", 3, 5)));
    const others = [
      new Philox(2, "mask", 3, 5),
      new Philox(1 + 2 ** 32, "mask", 3, 5),
      new Philox(1, "crop", 3, 5),
      new Philox(1, 7, 3, 5),
      new Philox(1, "mask", 5, 3),
      new Philox(1, "mask", 3),
      new Philox(1, "mask", 3, 5, 0),
    ];
    const streams = [new Philox(1, "mask", 3, 5), ...others].map((stream) => draws(stream, 2).join());
    expect(new Set(streams).size).toBe(streams.length);
  });

  it("draws uniform numbers and normal numbers of the right moments", () => {
    const stream = new Philox(0, "moments");
    const count = 20_000;
    const uniform = Array.from({ length: count }, () => stream.uniform());
    const normal = Array.from({ length: count }, () => stream.normal());
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const variance = (values: number[]) => mean(values.map((value) => value ** 2)) - mean(values) ** 2;
    expect(uniform.every((u) => u >= 0 && u < 1)).toBe(true);
    expect(mean(uniform)).toBeCloseTo(0.5, 1.9);
    expect(mean(normal)).toBeCloseTo(0, 1.5);
    expect(Math.abs(variance(normal) - 1)).toBeLessThan(0.04);
    expect(Math.abs(mean(normal.map((z) => z ** 4)) - 3)).toBeLessThan(0.3);
  });

  it("draws integers below n, each about as often", () => {
    const stream = new Philox(0, "int");
    const counts = new Array(7).fill(0);
    for (let i = 0; i < 7000; i++) counts[stream.int(7)]++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(stream.int(1)).toBe(0);
    expect(() => stream.int(0)).toThrow("expected 1 <= n");
  });

  it("shuffles to a permutation, each position as likely", () => {
    const stream = new Philox(0, "shuffle");
    const firsts = new Array(5).fill(0);
    for (let i = 0; i < 5000; i++) {
      const items = stream.shuffle([0, 1, 2, 3, 4]);
      expect([...items].sort()).toEqual([0, 1, 2, 3, 4]);
      firsts[items[0]]++;
    }
    for (const count of firsts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("rejects a seed that is no non-negative safe integer", () => {
    expect(seedWords(2 ** 32 + 5)).toEqual([5, 1]);
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => new Philox(seed, "x")).toThrow("seed: expected");
  });
});
