/** Changes the sample rate by band-limited interpolation with a Kaiser-windowed sinc (Smith, "Digital Audio Resampling"). */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
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

/** Samples, or outputs where these are more, that are computed at once. */
const BLOCK = 32_768;
const PAGE = 65_536;

interface Kernel {
  /** Both rates without their common divisor: that of the output, and of the input. */
  readonly up: number;
  readonly down: number;
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
  return convolve(samples, kernelOf(to / divisor, from / divisor), resampledLength(samples.length, from, to));
}

/** Samples of {@link resample}'s output. */
export function resampledLength(samples: number, from: number, to: number): number {
  return Math.ceil((samples * to) / from);
}

/** The outputs, some at a time: rows of the kernel's table over the samples. */
function convolve(samples: Float32Array<ArrayBuffer>, kernel: Kernel, length: number): Float32Array<ArrayBuffer> {
  const { up, down, phases, taps, center } = kernel;
  const convolver = (shared ??= openConvolver());
  const block = Math.max(1, Math.floor(BLOCK * Math.min(1, up / down)));
  const span = Math.ceil((block * down) / up) + taps + 1;
  const [table, input, output] = convolver.reserve(kernel, span, block);
  const out = new Float32Array(length);
  for (let start = 0; start < length; start += block) {
    const count = Math.min(block, length - start);
    const first = Math.floor((start * down) / up);
    // What lies before the first sample and after the last is silence.
    const from = Math.max(0, first - center);
    const before = from - (first - center);
    const known = samples.subarray(from, first - center + span);
    input.fill(0, 0, before);
    input.set(known, before);
    input.fill(0, before + known.length);
    convolver.run(output.byteOffset, input.byteOffset, table, count, taps, phases, up, down, (start * down) % up);
    out.set(output.subarray(0, count), start);
  }
  return out;
}

/** The exports of `resample.wasm` (`wasm/resample.c`). */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly __heap_base: { readonly value: number };
  resample(...args: number[]): void;
}

/** The loop in WASM, with memory for a table and a block of samples; the table stays until another is asked for. */
class Convolver {
  #kernel: Kernel | undefined;

  constructor(private readonly exports: Exports) {}

  /** Where the table of a kernel lies, and room for the samples and outputs of a block. */
  reserve(kernel: Kernel, samples: number, outputs: number): [table: number, input: Float64Array, output: Float32Array] {
    const { memory, __heap_base } = this.exports;
    const table = Math.ceil(__heap_base.value / 16) * 16;
    const input = table + kernel.table.byteLength;
    const output = input + 8 * samples;
    const missing = output + 4 * outputs - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    if (this.#kernel !== kernel) new Float64Array(memory.buffer, table, kernel.table.length).set(kernel.table);
    this.#kernel = kernel;
    return [table, new Float64Array(memory.buffer, input, samples), new Float32Array(memory.buffer, output, outputs)];
  }

  run(...args: number[]): void {
    this.exports.resample(...args);
  }
}

let shared: Convolver | undefined;

function openConvolver(): Convolver {
  const file = fileURLToPath(new URL("../../../dist/wasm/resample.wasm", import.meta.url));
  if (!existsSync(file)) throw new Error(`resample: ${file} is missing\nrun npm run build`);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {});
  return new Convolver(exports as unknown as Exports);
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
  return { up, down, table, phases, taps, center };
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
