/** The loader of token sequences: batches by length, order, padding, starting anywhere. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lengthBucketPlan } from "../../../src/data/length-plan.js";
import { type TextBatch, TextLoader, type TextLoaderOptions } from "../../../src/data/text/loader.js";
import type { TokenSource } from "../../../src/data/text/token-source.js";

const LENGTHS = Array.from({ length: 61 }, (_, i) => 3 + ((i * 17) % 23));

function source(lengths: readonly number[]): TokenSource {
  return {
    description: "made-up sequences",
    size: lengths.length,
    name: (index) => `sequence ${index}`,
    length: (index) => lengths[index]!,
    read: async (index) => Int32Array.from({ length: lengths[index]! }, (_, at) => (at === 0 ? 0 : 10 + index)),
  };
}

const load = (options: Partial<TextLoaderOptions> = {}, lengths = LENGTHS) =>
  new TextLoader(source(lengths), { pad: 1, seed: 5, training: true, batchTokens: 100, ...options });

async function take(loader: TextLoader, count: number, step = 0): Promise<TextBatch[]> {
  const batches: TextBatch[] = [];
  for await (const batch of loader.from(step)) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

describe("batches", () => {
  it("hold rows padded at the right, with lengths, names and indices", async () => {
    for (const batch of await take(load(), 20)) {
      const [rows, time] = batch.shape;
      expect(batch.tokens.length).toBe(rows * time);
      expect(Math.max(...batch.lengths)).toBe(time);
      for (let row = 0; row < rows; row++) {
        const index = batch.indices[row]!;
        expect(batch.lengths[row]).toBe(LENGTHS[index]);
        expect(batch.names[row]).toBe(`sequence ${index}`);
        const expected = Array.from({ length: time }, (_, at) => (at === 0 ? 0 : at < LENGTHS[index]! ? 10 + index : 1));
        expect([...batch.tokens.subarray(row * time, (row + 1) * time)]).toEqual(expected);
      }
    }
  });

  it("keep to both limits, gather similar lengths, and hold every sequence once an epoch", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 80 });
    const limits = fc.record({
      batchTokens: fc.option(fc.integer({ min: 40, max: 300 })),
      batchSize: fc.option(fc.integer({ min: 1, max: 9 })),
    });
    fc.assert(
      fc.property(lengths, limits, fc.nat(), (all, { batchTokens, batchSize }, epoch) => {
        fc.pre(batchTokens !== null || batchSize !== null);
        const limits = { lengths: all, budget: batchTokens ?? Infinity, batchSize: batchSize ?? Infinity };
        const plan = lengthBucketPlan(limits, 1);
        const batches = Array.from({ length: plan.batchesPerEpoch }, (_, position) => [...plan.indices(epoch, position)]);
        expect(batches.flat().sort((a, b) => a - b)).toEqual([...all.keys()]);
        const width = (batch: number[]) => Math.max(...batch.map((index) => all[index]!));
        const fits = (batch: number[]) => batch.length <= (batchSize ?? 1e9) && batch.length * width(batch) <= (batchTokens ?? 1e9);
        expect(batches.every(fits)).toBe(true);
        // Buckets of lengths, which end at powers of 2^(1/8) rounded up, follow one another: two batches share one at most.
        const bucketOf = (length: number) => Math.min(batchTokens ?? Infinity, Math.ceil(2 ** (Math.ceil(8 * Math.log2(length)) / 8)));
        const bucketsOf = (batch: number[]) => batch.map((index) => bucketOf(all[index]!));
        const ranges = batches.map((batch) => ({ low: Math.min(...bucketsOf(batch)), high: Math.max(...bucketsOf(batch)) }));
        ranges.sort((a, b) => a.low - b.low || a.high - b.high);
        for (const [i, { low }] of ranges.entries()) if (i > 0) expect(low).toBeGreaterThanOrEqual(ranges[i - 1]!.high);
      }),
    );
  });

  it("waste less on padding than those in order", async () => {
    const padding = async (training: boolean) => {
      const loader = load({ batchTokens: 200, training });
      const batches = await take(loader, loader.stepsPerEpoch);
      return batches.reduce((sum, { tokens, lengths }) => sum + tokens.length - lengths.reduce((a, b) => a + b), 0);
    };
    expect(await padding(true)).toBeLessThan(0.5 * (await padding(false)));
  });

  it("change from epoch to epoch in content and order, never in number", async () => {
    const loader = load();
    const perEpoch = loader.stepsPerEpoch;
    const batches = await take(loader, 3 * perEpoch);
    const epochs = [0, 1, 2].map((epoch) => batches.filter((batch) => batch.epoch === epoch));
    for (const epoch of epochs) {
      expect(epoch.length).toBe(perEpoch);
      expect(epoch.flatMap(({ indices }) => [...indices]).sort((a, b) => a - b)).toEqual([...LENGTHS.keys()]);
    }
    const sets = (epoch: TextBatch[]) => epoch.map(({ indices }) => [...indices].sort((a, b) => a - b).join()).sort();
    expect(sets(epochs[0]!)).not.toEqual(sets(epochs[1]!));
    const widths = (epoch: TextBatch[]) => epoch.map(({ shape }) => shape[1]);
    expect(widths(epochs[0]!)).not.toEqual(widths(epochs[1]!));
    expect(widths(epochs[0]!).sort()).toEqual(widths(epochs[1]!).sort());
    expect(batches.map(({ step }) => step)).toEqual([...batches.keys()]);
  });

  it("are the same from any step and for the same seed", async () => {
    const whole = await take(load(), 40);
    for (const step of [1, 9, 33]) expect(await take(load(), 40 - step, step)).toEqual(whole.slice(step));
    expect((await take(load({ seed: 6 }), 3)).map(({ indices }) => indices)).not.toEqual(whole.slice(0, 3).map(({ indices }) => indices));
  });

  it("come once and in order where nothing is trained", async () => {
    const batches = await take(load({ training: false }), 99);
    expect(batches.length).toBe(load({ training: false }).stepsPerEpoch);
    expect(batches.flatMap(({ indices }) => [...indices])).toEqual([...LENGTHS.keys()]);
    for (const { shape } of batches) expect(shape[0] * shape[1]).toBeLessThanOrEqual(100);
  });

  it("of one size and any lengths, where asked for", async () => {
    const loader = load({ byLength: false, batchSize: 8, batchTokens: undefined });
    expect(loader.stepsPerEpoch).toBe(7);
    const batches = await take(loader, 7);
    expect(new Set(batches.flatMap(({ indices }) => [...indices])).size).toBe(56);
    expect(batches.every(({ shape }) => shape[0] === 8)).toBe(true);
  });

  it.each<[Partial<TextLoaderOptions>, string]>([
    [{ batchTokens: undefined }, "batchTokens or batchSize is needed"],
    [{ batchTokens: 20 }, "batchTokens: expected at least 25, the tokens of the longest sequence, got 20"],
    [{ batchSize: 0 }, "batchSize: expected a whole number from 1, got 0"],
    [{ byLength: false, batchSize: 8 }, "batchTokens: needs byLength"],
    [{ byLength: false, batchTokens: undefined }, "batchSize: expected a whole number from 1"],
    [{ byLength: false, batchTokens: undefined, batchSize: 99 }, "fewer sequences than a batch of 99\nset batchSize to at most 61"],
  ])("refuse %j", (options, message) => {
    expect(() => load(options)).toThrow(message);
  });
});
