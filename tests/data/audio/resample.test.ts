/** Resampling: against the signal itself at the new times, against libsamplerate's best, aliasing, lengths; normalization of clips. */
import { ConverterType, create } from "@alexanderolsen/libsamplerate-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import { normalizeWaveform, prepareClip } from "../../../src/data/audio/clip.js";
import { resample, resampledLength } from "../../../src/data/audio/resample.js";

/** A sum of tones that fades in and out, as a function of time in seconds. */
function signal(seconds: number, hertz: readonly number[]): (time: number) => number {
  return (time) => {
    const fade = Math.sin((Math.PI * time) / seconds) ** 2;
    return hertz.reduce((sum, f, i) => sum + Math.sin(2 * Math.PI * f * time + i), 0) * (fade / hertz.length);
  };
}

const sample = (of: (time: number) => number, seconds: number, rate: number) =>
  Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => of(i / rate));

function worst(a: ArrayLike<number>, b: ArrayLike<number>, from = 0, to = Math.min(a.length, b.length)): number {
  let error = 0;
  for (let i = from; i < to; i++) error = Math.max(error, Math.abs(a[i]! - b[i]!));
  return error;
}

const PAIRS = [
  [44100, 16000],
  [48000, 16000],
  [22050, 16000],
  [8000, 16000],
  [11025, 16000],
  [96000, 16000],
  [16000, 44100],
  [192000, 1000],
  [1000, 192000],
  // So many phases that rows are interpolated.
  [44101, 16000],
  [15999, 16000],
  [191999, 16000],
  [48001, 1000],
] as const;

describe("resample", () => {
  it.each(PAIRS)("from %i to %i Hz gives the signal at the new times, without delay", (from, to) => {
    const nyquist = Math.min(from, to) / 2;
    const seconds = 400 / nyquist;
    const of = signal(
      seconds,
      [0.03, 0.21, 0.5, 0.72, 0.8].map((part) => part * nyquist),
    );
    const out = resample(sample(of, seconds, from), from, to);
    expect(out.length).toBe(Math.ceil((Math.round(seconds * from) * to) / from));
    expect(worst(out, sample(of, seconds, to))).toBeLessThan(3e-5);
  });

  it.each([
    [44100, 16000],
    [48000, 16000],
    [8000, 16000],
    [22050, 16000],
  ])("from %i to %i Hz agrees with libsamplerate's best", async (from, to) => {
    const nyquist = Math.min(from, to) / 2;
    const seconds = 0.5;
    const input = sample(
      signal(
        seconds,
        [0.05, 0.3, 0.61, 0.79].map((part) => part * nyquist),
      ),
      seconds,
      from,
    );
    const oracle = await create(1, from, to, { converterType: ConverterType.SRC_SINC_BEST_QUALITY });
    const expected = oracle.simple(input);
    oracle.destroy();
    // It drops the tail.
    expect(expected.length).toBeGreaterThan(seconds * to - 300);
    expect(worst(resample(input, from, to), expected)).toBeLessThan(3e-5);
  });

  it("suppresses what would alias by 80 dB and more", () => {
    for (const [from, to] of PAIRS.filter(([a, b]) => a > b * 1.2)) {
      const seconds = 800 / to;
      for (const part of [1.02, 1.1, 1.3, 1.9]) {
        const hertz = (part * to) / 2;
        if (hertz >= from / 2) continue;
        const out = resample(sample(signal(seconds, [hertz]), seconds, from), from, to);
        expect(Math.max(...out.map(Math.abs))).toBeLessThan(1e-4);
      }
    }
  });

  it("keeps a constant, and is linear and shift-invariant by whole periods", () => {
    const constant = resample(new Float32Array(2000).fill(0.75), 44100, 16000);
    expect(worst(constant, new Float32Array(constant.length).fill(0.75), 100, constant.length - 100)).toBeLessThan(1e-7);
    const random = new Philox(1, "noise");
    const noise = Float32Array.from({ length: 3000 }, () => random.normal());
    const out = resample(noise, 44100, 16000);
    const shifted = resample(Float32Array.from([...new Float32Array(441), ...noise]), 44100, 16000);
    expect(worst(shifted.subarray(160), out)).toBe(0);
  });

  it("gives the same bits of a long clip as of a part of it", () => {
    const random = new Philox(3, "noise");
    const noise = Float32Array.from({ length: 150_000 }, () => random.normal());
    for (const [from, to] of [
      [44100, 16000],
      [11025, 16000],
      [44101, 16000],
      [192_000, 1000],
    ] as const) {
      const whole = resample(noise, from, to);
      // A part that begins where an output lies on an input; its ends, where it takes silence for its surroundings, are left out.
      const divisor = { 44100: 100, 11025: 25, 44101: 1, 192000: 1000 }[from];
      const start = from / divisor;
      const part = resample(noise.slice(start), from, to);
      const margin = Math.ceil((7000 * to) / from);
      const offset = to / divisor;
      expect(whole.length - offset - margin).toBeGreaterThan(100);
      expect(worst(whole.subarray(offset + margin), part.subarray(margin))).toBe(0);
    }
  });

  it("gives equal rates back as they are, and the stated length for any size", () => {
    const clip = Float32Array.from([1, 2, 3]);
    expect(resample(clip, 16000, 16000)).toBe(clip);
    const rates = fc.integer({ min: 1000, max: 192_000 });
    fc.assert(
      fc.property(rates, rates, fc.integer({ min: 0, max: 50 }), (from, to, length) => {
        const out = resample(new Float32Array(length).fill(1), from, to);
        expect(out.length).toBe(Math.ceil((length * to) / from));
        expect(out.length).toBe(resampledLength(length, from, to));
        expect(out.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 15, seed: 3 },
    );
    expect(() => resample(clip, 999, 16000)).toThrow(/rate: expected a whole number from 1000 to 192000, got 999/);
    expect(() => resample(clip, 16000, 22050.5)).toThrow(/got 22050\.5/);
  });
});

describe("clips", () => {
  it("are normalized to zero mean and unit variance, silence to zeros", () => {
    const random = new Philox(2, "noise");
    const clip = Float32Array.from({ length: 5000 }, () => 0.01 * random.normal() + 3);
    const out = normalizeWaveform(clip);
    const mean = out.reduce((sum, value) => sum + value, 0) / out.length;
    const variance = out.reduce((sum, value) => sum + (value - mean) ** 2, 0) / out.length;
    expect(Math.abs(mean)).toBeLessThan(1e-6);
    const before = clip.reduce((sum, value) => sum + (value - 3) ** 2, 0) / clip.length;
    expect(variance).toBeCloseTo(before / (before + 1e-5), 3);
    expect(normalizeWaveform(Float32Array.from([1, -1, 1, -1]))[0]).toBeCloseTo(1 / Math.sqrt(1 + 1e-5), 7);
    expect([...normalizeWaveform(new Float32Array(3).fill(0.5))]).toEqual([0, 0, 0]);
  });

  it("are resampled, and refused where they are too short", () => {
    const options = { sampleRate: 16000, normalize: false, minSamples: 400 };
    expect(prepareClip({ samples: new Float32Array(1103), sampleRate: 44100 }, options).length).toBe(401);
    expect(() => prepareClip({ samples: new Float32Array(1099), sampleRate: 44100 }, options)).toThrow(
      "too short: 399 samples at 16000 Hz, but a model needs 400",
    );
  });
});
