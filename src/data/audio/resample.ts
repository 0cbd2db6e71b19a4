/** Changes the sample rate by band-limited interpolation with a Kaiser-windowed sinc (Smith, "Digital Audio Resampling"). */
import { MAX_SAMPLE_RATE, MIN_SAMPLE_RATE } from "./format.js";

/** Half the kernel's width in periods of the lower of both rates. */
const ZERO_CROSSINGS = 32;
/** Where the filter has fallen to half, as a part of the lower of both Nyquist frequencies. */
const ROLLOFF = 0.925;
/** Of the Kaiser window: 85 dB of attenuation from just above the Nyquist frequency. */
const BETA = 8.4;
/** Ratios with more phases than this interpolate between the rows of a table of so many; fewer where the kernel is wide, as it varies less. */
const MAX_PHASES = 1024;
const MIN_PHASES = 64;
const MAX_TABLES = 8;

interface Kernel {
  /** One row of weights a phase, and one more: (phases + 1, taps). */
  readonly table: Float64Array;
  readonly phases: number;
  /** Weights in a row, a multiple of 8. */
  readonly taps: number;
  /** The sample before the output's place is weighted by this element of its row. */
  readonly center: number;
}

const tables = new Map<string, Kernel>();

/**
 * Samples at another rate, without delay: output j lies at the time of input j * from / to, the length is ceil(n * to / from). Frequencies below
 * 0.84 of the lower Nyquist frequency are kept, those that would alias suppressed by 85 dB. At equal rates it gives the samples themselves.
 *
 * @param from rate of the samples in Hz, whole numbers both from 1,000 to 192,000
 * @param to the rate wanted
 */
export function resample(samples: Float32Array<ArrayBuffer>, from: number, to: number): Float32Array<ArrayBuffer> {
  for (const rate of [from, to]) {
    if (!Number.isInteger(rate) || rate < MIN_SAMPLE_RATE || rate > MAX_SAMPLE_RATE) {
      throw new RangeError(`resample: rate: expected a whole number from ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE}, got ${rate}`);
    }
  }
  if (from === to) return samples;
  const divisor = greatestCommonDivisor(from, to);
  const up = to / divisor;
  const down = from / divisor;
  const kernel = kernelOf(up, down);
  const out = new Float32Array(resampledLength(samples.length, from, to));
  const padded = new Float64Array(kernel.center + samples.length + kernel.taps);
  padded.set(samples, kernel.center);
  if (up === kernel.phases) convolve(padded, kernel, down, out);
  else convolveBetween(padded, kernel, up, down, out);
  return out;
}

/** Samples of {@link resample}'s output. */
export function resampledLength(samples: number, from: number, to: number): number {
  return Math.ceil((samples * to) / from);
}

/** Every output falls on a row of the table. */
function convolve(padded: Float64Array, { table, phases, taps }: Kernel, down: number, out: Float32Array): void {
  const step = Math.floor(down / phases);
  const phaseStep = down % phases;
  let at = 0;
  let phase = 0;
  for (let j = 0; j < out.length; j++) {
    out[j] = dot(table, phase * taps, padded, at, taps);
    at += step;
    phase += phaseStep;
    if (phase >= phases) {
      phase -= phases;
      at += 1;
    }
  }
}

/** Outputs fall between two rows: linear interpolation. */
function convolveBetween(padded: Float64Array, { table, phases, taps }: Kernel, up: number, down: number, out: Float32Array): void {
  for (let j = 0; j < out.length; j++) {
    const at = Math.floor((j * down) / up);
    const position = (((j * down) % up) / up) * phases;
    const row = Math.floor(position);
    const low = dot(table, row * taps, padded, at, taps);
    const high = dot(table, (row + 1) * taps, padded, at, taps);
    out[j] = low + (position - row) * (high - low);
  }
}

function dot(table: Float64Array, row: number, padded: Float64Array, at: number, taps: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (const end = row + taps; row < end; row += 8, at += 8) {
    a += table[row]! * padded[at]!;
    b += table[row + 1]! * padded[at + 1]!;
    c += table[row + 2]! * padded[at + 2]!;
    d += table[row + 3]! * padded[at + 3]!;
    a += table[row + 4]! * padded[at + 4]!;
    b += table[row + 5]! * padded[at + 5]!;
    c += table[row + 6]! * padded[at + 6]!;
    d += table[row + 7]! * padded[at + 7]!;
  }
  return a + b + (c + d);
}

function kernelOf(up: number, down: number): Kernel {
  const key = `${up}/${down}`;
  const known = tables.get(key);
  if (known !== undefined) return known;
  const kernel = makeKernel(up, down);
  if (tables.size === MAX_TABLES) tables.delete(tables.keys().next().value!);
  tables.set(key, kernel);
  return kernel;
}

function makeKernel(up: number, down: number): Kernel {
  const cutoff = Math.min(1, up / down) * ROLLOFF;
  const phases = Math.min(up, Math.max(MIN_PHASES, Math.round(MAX_PHASES * cutoff)));
  const half = Math.ceil(ZERO_CROSSINGS / cutoff);
  const taps = Math.ceil(half / 4) * 8;
  const center = half - 1;
  const table = new Float64Array((phases + 1) * taps);
  const scale = 1 / besselI0(BETA);
  for (let phase = 0; phase <= phases; phase++) {
    const row = table.subarray(phase * taps, (phase + 1) * taps);
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      // Time from the output in input samples, then in zero crossings.
      const x = (tap - center - phase / phases) * cutoff;
      const inside = 1 - (x / ZERO_CROSSINGS) ** 2;
      if (inside < 0) continue;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      sum += row[tap] = sinc * besselI0(BETA * Math.sqrt(inside)) * scale;
    }
    // A constant stays one to the last bit or so.
    for (let tap = 0; tap < taps; tap++) row[tap]! /= sum;
  }
  return { table, phases, taps, center };
}

/** The modified Bessel function of order 0, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
