/** One clip as a model takes it: decoded, at the rate of the set, normalized as a whole. */
import { decodeAudioFile, type RawAudio } from "./decode.js";
import { resample } from "./resample.js";

/** What is done to every clip. */
export interface ClipOptions {
  /** In Hz. */
  readonly sampleRate: number;
  /** Zero mean and unit variance over the whole clip. */
  readonly normalize: boolean;
  /** Shorter clips can't be used: the receptive field of the model, 400 samples for the published one. */
  readonly minSamples: number;
}

/** Added to the variance. */
const EPSILON = 1e-5;

/**
 * Decodes a file and prepares it.
 *
 * @throws where it is unreadable or too short
 */
export async function readClip(path: string, options: ClipOptions): Promise<Float32Array<ArrayBuffer>> {
  return prepareClip(await decodeAudioFile(path), options);
}

/**
 * Resamples and normalizes audio.
 *
 * @throws where it is too short
 */
export function prepareClip({ samples, sampleRate }: RawAudio, options: ClipOptions): Float32Array<ArrayBuffer> {
  const { sampleRate: rate, minSamples } = options;
  const clip = resample(samples, sampleRate, rate);
  if (clip.length < minSamples) throw new Error(`too short: ${clip.length} samples at ${rate} Hz, but a model needs ${minSamples}`);
  return options.normalize ? normalizeWaveform(clip) : clip;
}

/** (x - mean) / sqrt(variance + 1e-5) over all samples, with the biased variance, as data2vec's audio data (Baevski et al. 2022, 5.2). */
export function normalizeWaveform(samples: Float32Array): Float32Array<ArrayBuffer> {
  const { length } = samples;
  let sum = 0;
  for (let i = 0; i < length; i++) sum += samples[i]!;
  const mean = sum / length;
  let squares = 0;
  for (let i = 0; i < length; i++) squares += (samples[i]! - mean) ** 2;
  const scale = 1 / Math.sqrt(squares / length + EPSILON);
  const out = new Float32Array(length);
  for (let i = 0; i < length; i++) out[i] = (samples[i]! - mean) * scale;
  return out;
}
