/** The audio loader: batches by length, crops and padding, determinism over workers and starting points, unreadable clips, shutdown. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import { normalizeWaveform } from "../../../src/data/audio/clip.js";
import { type AudioDataset, audioInMemory } from "../../../src/data/audio/dataset.js";
import { type AudioBatch, AudioLoader, type AudioLoaderOptions } from "../../../src/data/audio/loader.js";
import { openAudio } from "../../../src/data/audio/open.js";
import type { Skipped } from "../../../src/data/batch-loader.js";
import { lengthBucketPlan, lengthReplacement, sequentialPlan } from "../../../src/data/length-plan.js";
import { wavOf } from "./wav-file.js";

const SIZE = 40;
let root: string;
let clips: AudioDataset;
const open: AudioLoader[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "audio-loader-"));
  clips = await openAudio(await clipFolder("clips", SIZE));
});
afterAll(async () => {
  await Promise.all(open.map((loader) => loader.close()));
  await rm(root, { recursive: true });
});

/** Noise of 0.05 to 0.5 s, every third at 44.1 kHz; those listed in `broken` cut off, in `lost` without a readable header. */
async function clipFolder(name: string, count: number, broken: number[] = [], lost: number[] = []): Promise<string> {
  const folder = join(root, name);
  for (let i = 0; i < count; i++) {
    const random = new Philox(i, "clip");
    const rate = i % 3 === 0 ? 44100 : 16000;
    const samples = Float32Array.from({ length: Math.round((0.05 + 0.45 * random.uniform()) * rate) }, () => 0.5 * random.uniform());
    const bytes = wavOf(samples, rate);
    const path = join(folder, `c${i % 4}`, `${String(i).padStart(3, "0")}.wav`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, lost.includes(i) ? bytes.subarray(0, 20) : broken.includes(i) ? wavOf(samples.subarray(0, 200)) : bytes);
  }
  return folder;
}

function load(dataset: AudioDataset, options: Partial<AudioLoaderOptions> = {}): AudioLoader {
  const loader = new AudioLoader(dataset, {
    mode: "pad",
    batchSeconds: 2,
    batchSize: 8,
    normalize: true,
    seed: 7,
    training: true,
    workers: 0,
    ...options,
  });
  open.push(loader);
  return loader;
}

async function take(loader: AudioLoader, count: number, step = 0): Promise<AudioBatch[]> {
  const batches: AudioBatch[] = [];
  for await (const batch of loader.from(step)) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

/** Batches with their waveforms hashed, which compare faster. */
function hashed(batches: readonly AudioBatch[]) {
  return batches.map((batch) => ({ ...batch, waveform: createHash("sha256").update(new Uint8Array(batch.waveform.buffer)).digest("hex") }));
}

const row = ({ waveform, shape: [, samples] }: AudioBatch, index: number) => waveform.subarray(index * samples, (index + 1) * samples);

describe("length plan", () => {
  const limits = fc.record({
    lengths: fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 120 }),
    budget: fc.integer({ min: 5000, max: 40_000 }),
    batchSize: fc.integer({ min: 1, max: 20 }),
  });

  it("visits every sample once an epoch within the limits, in as many batches each time", () => {
    fc.assert(
      fc.property(limits, fc.nat(), (given, seed) => {
        for (const plan of [lengthBucketPlan(given, seed), sequentialPlan(given)]) {
          for (const epoch of [0, 1, 5]) {
            const batches = Array.from({ length: plan.batchesPerEpoch }, (_, position) => [...plan.indices(epoch, position)]);
            expect(batches.flat().sort((a, b) => a - b)).toEqual(given.lengths.map((_, index) => index));
            for (const batch of batches) {
              expect(batch.length).toBeGreaterThan(0);
              expect(batch.length).toBeLessThanOrEqual(given.batchSize);
              expect(batch.length * Math.max(...batch.map((index) => given.lengths[index]!))).toBeLessThanOrEqual(given.budget);
            }
          }
        }
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  it("is random within buckets and in the order of batches, a pure function of seed and epoch, and pads little", () => {
    const random = new Philox(1, "lengths");
    const lengths = Float64Array.from({ length: 2000 }, () => 8000 + random.int(300_000));
    const limits = { lengths, budget: 3_200_000, batchSize: 64 };
    const batchesOf = (seed: number, epoch: number) => {
      const plan = lengthBucketPlan(limits, seed);
      return Array.from({ length: plan.batchesPerEpoch }, (_, position) => [...plan.indices(epoch, position)]);
    };
    expect(batchesOf(3, 4)).toEqual(batchesOf(3, 4));
    const [first, second, other] = [batchesOf(3, 0), batchesOf(3, 1), batchesOf(4, 0)];
    const sets = (batches: number[][]) => new Set(batches.map((batch) => batch.toSorted((a, b) => a - b).join()));
    // Only the batch of all the shortest buckets may be the same.
    for (const next of [second, other]) expect([...sets(first)].filter((batch) => sets(next).has(batch)).length).toBeLessThan(2);
    const longest = first.map((batch) => Math.max(...batch.map((index) => lengths[index]!)));
    expect(longest).not.toEqual(longest.toSorted((a, b) => b - a));
    const rectangle = first.reduce((sum, batch, i) => sum + batch.length * longest[i]!, 0);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    expect(rectangle / total).toBeLessThan(1.1);
  });

  it("replaces a sample by one about as long, never a longer one, and never one of unknown length", () => {
    const lengths = Float64Array.from({ length: 500 }, (_, i) => (i % 50 === 0 ? 0 : 1000 + i * 10));
    const replacement = lengthReplacement({ lengths, budget: 1e6, batchSize: 10 });
    const random = new Philox(1, "replacement");
    for (let draw = 0; draw < 300; draw++) {
      const index = random.int(500);
      const chosen = replacement(index, random);
      expect(lengths[chosen]).toBeGreaterThan(0);
      expect(lengths[chosen]).toBeLessThanOrEqual(Math.max(lengths[index]!, 1001) * 1.1);
      if (lengths[index]! > 0) expect(lengths[chosen]).toBeGreaterThan(lengths[index]! - 1500);
    }
  });
});

describe("pad", () => {
  it("gives whole normalized clips with zeros after them, and what belongs to each", async () => {
    const loader = load(clips);
    const batches = await take(loader, loader.stepsPerEpoch);
    expect(batches.flatMap(({ indices }) => [...indices]).sort((a, b) => a - b)).toEqual(Array.from({ length: SIZE }, (_, i) => i));
    for (const batch of batches) {
      const [size, samples] = batch.shape;
      expect(size * samples).toBeLessThanOrEqual(32000);
      expect(batch.waveform.length).toBe(size * samples);
      expect(samples).toBe(Math.max(...batch.lengths));
      for (const [place, index] of batch.indices.entries()) {
        const length = batch.lengths[place]!;
        expect(length).toBe(clips.duration(index));
        expect(batch.labels[place]).toBe(clips.label(index));
        expect(batch.names[place]).toBe(clips.name(index));
        expect(batch.transcripts[place]).toBeNull();
        const clip = row(batch, place);
        expect(clip.subarray(length).every((value) => value === 0)).toBe(true);
        const mean = clip.reduce((sum, value) => sum + value, 0) / length;
        const square = clip.reduce((sum, value) => sum + value * value, 0) / length;
        expect(Math.abs(mean)).toBeLessThan(1e-5);
        // The variance of such a clip is about 0.007, and 1e-5 is added to it.
        expect(Math.abs(square - 1)).toBeLessThan(2e-3);
      }
    }
  });

  it("evaluates in order, once, with the transcripts", async () => {
    const random = new Philox(1, "memory");
    const noise = Array.from({ length: 11 }, (_, i) => Float32Array.from({ length: 500 + 40 * i }, () => random.normal()));
    const transcripts = noise.map((_, i) => `word ${i}`);
    const dataset = audioInMemory({ clips: noise.map((samples) => ({ samples, sampleRate: 16000 })), sampleRate: 16000, transcripts });
    const loader = load(dataset, { training: false, batchSize: 4, batchSeconds: 0.2, workers: undefined });
    const batches = await take(loader, 99);
    expect(batches.flatMap(({ indices }) => [...indices])).toEqual(noise.map((_, i) => i));
    expect(batches.flatMap((batch) => batch.transcripts)).toEqual(transcripts);
    expect(row(batches[0]!, 1).subarray(0, 540)).toEqual(normalizeWaveform(noise[1]!));
    const plain = await take(load(dataset, { training: false, normalize: false }), 1);
    expect(row(plain[0]!, 0).subarray(0, 500)).toEqual(noise[0]);
  });

  it("refuses a clip longer than a batch, and senseless numbers", () => {
    expect(() => load(clips, { batchSeconds: 0.3 })).toThrow(/lasts 0\.\d s, more than a batch of 0\.3 s\nraise data\.batchSeconds/);
    expect(() => load(clips, { batchSize: 0 })).toThrow(/batchSize: expected a whole number from 1/);
    expect(() => load(clips, { batchSeconds: Number.NaN })).toThrow(/batchSeconds: expected a number above 0/);
    expect(() => load(clips, { mode: "crop", maxSeconds: 0.01 })).toThrow(/crops of 160 samples are shorter than the 400/);
  });
});

describe("crop", () => {
  it("cuts every clip of a batch at random to the shortest or to the limit, after normalizing it whole", async () => {
    const whole = await take(load(clips, { training: false, batchSize: 1 }), SIZE);
    const loader = load(clips, { mode: "crop", maxSeconds: 0.2 });
    const batches = await take(loader, 2 * loader.stepsPerEpoch);
    const starts = new Map<number, number[]>();
    for (const batch of batches) {
      const [, samples] = batch.shape;
      expect(samples).toBe(Math.min(3200, ...Array.from(batch.indices, (index) => clips.duration(index))));
      expect(new Set(batch.lengths)).toEqual(new Set([samples]));
      for (const [place, index] of batch.indices.entries()) {
        const crop = row(batch, place);
        const clip = whole[index]!.waveform;
        const found = Array.from({ length: clip.length - samples + 1 }, (_, start) => start).find(
          (start) =>
            clip[start] === crop[0] &&
            clip[start + 1] === crop[1] &&
            clip.subarray(start, start + samples).every((value, i) => value === crop[i]),
        );
        expect(found).toBeDefined();
        starts.set(index, [...(starts.get(index) ?? []), found!]);
      }
    }
    // Long clips are cut elsewhere in the second epoch.
    const moved = [...starts].filter(([index, [first, second]]) => clips.duration(index) > 5000 && first !== second);
    expect(moved.length).toBeGreaterThan(5);
  });
});

describe("determinism", () => {
  it.each(["pad", "crop"] as const)("batches in mode %s are the same for any number of workers, cache and starting point", async (mode) => {
    const expected = hashed(await take(load(clips, { mode }), 17));
    for (const options of [{ workers: 1 }, { workers: 3, ahead: 4 }, { cacheBytes: 0 }, { cacheBytes: 100_000 }]) {
      expect(hashed(await take(load(clips, { mode, ...options }), 17))).toEqual(expected);
    }
    expect(hashed(await take(load(clips, { mode, workers: 1 }), 3, 14))).toEqual(expected.slice(14));
    expect((await take(load(clips, { mode, seed: 8 }), 1))[0]!.indices).not.toEqual(expected[0]!.indices);
  });

  it("decodes a small set once", async () => {
    let reads = 0;
    const clip = { samples: new Float32Array(8000).fill(0.1), sampleRate: 16000 };
    const memory = audioInMemory({ clips: [clip, clip, clip], sampleRate: 16000 });
    const counted = {
      ...memory,
      read: (index: number) => {
        reads += 1;
        return memory.read(index);
      },
    };
    const loader = load(counted, { batchSize: 3 });
    await take(loader, 4);
    expect(reads).toBe(3);
    reads = 0;
    await take(load(counted, { batchSize: 3, cacheBytes: 1000 }), 4);
    expect(reads).toBe(12);
  });
});

describe("unreadable clips", () => {
  it.each([0, 2])("are replaced by some about as long in training, with %i workers", async (workers) => {
    const folder = await clipFolder(`damaged-${workers}`, 320, [7], [100]);
    const set = await openAudio(folder);
    const skipped: Skipped[] = [];
    const loader = load(set, { workers, onSkip: (each) => skipped.push(each) });
    const batches = await take(loader, loader.stepsPerEpoch);
    expect(batches.reduce((sum, { indices }) => sum + indices.length, 0)).toBe(320);
    for (const { shape, names } of batches) {
      expect(shape[0] * shape[1]).toBeLessThanOrEqual(32000);
      expect(names.some((name) => name.includes("/007.") || name.includes("/100."))).toBe(false);
    }
    expect(skipped.map(({ name }) => name).sort()).toEqual(["c0/100.wav", "c3/007.wav"]);
    expect(skipped.find(({ name }) => name === "c3/007.wav")!.error).toMatch(/too short: 200 samples at 16000 Hz, but a model needs 400/);
    expect(skipped.find(({ name }) => name === "c0/100.wav")!.error).toMatch(/WAV: truncated/);
    expect(loader.skipped).toBe(2);
  });

  it("are left out of evaluation, and too many of them end the run", async () => {
    const set = await openAudio(await clipFolder("few", 12, [3], [5]));
    const loader = load(set, { training: false });
    const batches = await take(loader, 99);
    expect(batches.reduce((sum, { names }) => sum + names.length, 0)).toBe(10);
    const bad = await openAudio(await clipFolder("bad", 12, [0, 1, 2, 3, 4]));
    await expect(take(load(bad, { workers: 1 }), 20)).rejects.toThrow(/samples couldn't be read, such as .*too short/s);
  });
});

describe("shutdown", () => {
  it("rejects what is under way", async () => {
    const loader = load(clips, { workers: 1 });
    const next = expect(take(loader, 3)).rejects.toThrow(/the loader was closed/);
    await loader.close();
    await next;
  });
});

describe("clips joined to a length", () => {
  const tones = audioInMemory({
    sampleRate: 16_000,
    // Each clip is constant, so that a sample tells which clip it comes from.
    clips: Array.from({ length: 7 }, (_, i) => ({ samples: new Float32Array(1000 + 150 * i).fill(i + 1), sampleRate: 16_000 })),
  });
  const joined = (options: Partial<AudioLoaderOptions> = {}) =>
    load(tones, { mode: "crop", normalize: false, joinSeconds: 0.5, maxSeconds: 0.5, batchSeconds: 2, batchSize: 3, ...options });

  it("fill the crops with whole clips but for the first and the last, others in each epoch, whatever the start", async () => {
    const loader = joined();
    const batches = await take(loader, 2 * loader.stepsPerEpoch);
    for (const batch of batches) {
      expect(batch.shape).toEqual([batch.names.length, 8000]);
      expect([...batch.lengths]).toEqual(batch.names.map(() => 8000));
      for (const [position, index] of batch.indices.entries()) {
        const clip = row(batch, position);
        expect(clip[0]).toBe(index + 1);
        const runs: { value: number; count: number }[] = [];
        for (const value of clip) {
          const last = runs.at(-1);
          if (last?.value === value) last.count += 1;
          else runs.push({ value, count: 1 });
        }
        // Equal neighbours run together, in whole clips.
        for (const { value, count } of runs.slice(1, -1)) expect(count % (1000 + 150 * (value - 1))).toBe(0);
      }
    }
    const [first, second] = [0, 1].map((epoch) => batches.filter((batch) => batch.epoch === epoch));
    expect(hashed(first).map(({ waveform }) => waveform)).not.toEqual(hashed(second).map(({ waveform }) => waveform));
    expect(hashed(await take(joined(), 2, 3))).toEqual(hashed(batches.slice(3, 5)));
  });

  it("leave long clips and supervised batches as they are", async () => {
    const [long] = await take(joined({ joinSeconds: 0.05 }), 1);
    expect(Math.max(...long!.lengths)).toBeLessThan(2000);
    const [padded] = await take(load(tones, { normalize: false, joinSeconds: 0.5 }), 1);
    expect(Math.max(...padded!.lengths)).toBeLessThan(2000);
    expect(() => joined({ joinSeconds: -1 })).toThrow(/joinSeconds: expected a number from 0, got -1/);
  });
});
