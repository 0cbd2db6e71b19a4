/** Decodes WAV, FLAC, Ogg Vorbis and MP3 files to one channel of floats. */
import { open, readFile } from "node:fs/promises";
import { Lanes } from "../lanes.js";
import { readFlacHeader } from "./flac.js";
import { type AudioInfo, checkInfo, detectFormat, id3Length, MAGIC_BYTES } from "./format.js";
import { readMp3 } from "./mp3.js";
import { OGG_TAIL, readOgg, readOggEnds } from "./ogg.js";
import { decodeWav, readWavHeader } from "./wav.js";

/** One channel of audio, full scale 1. */
export interface RawAudio {
  readonly samples: Float32Array<ArrayBuffer>;
  /** In Hz. */
  readonly sampleRate: number;
}

interface Decoded {
  readonly channelData: readonly Float32Array[];
  readonly sampleRate: number;
}

/** First bytes of a file that headers are looked for in, before all of it is read. */
const HEAD = 4096;
/** Two frames. */
const MP3_SLACK = 2304;

/**
 * Decodes the bytes of an audio file, told by their content, to the mean of the channels.
 *
 * @throws where they are empty, truncated or corrupt, of another format, or hold no samples or ones that aren't finite
 */
export async function decodeAudio(bytes: Uint8Array): Promise<RawAudio> {
  const format = detectFormat(bytes);
  const audio = format === "wav" ? decodeWav(bytes) : await DECODE[format](bytes);
  // Zero times a number is zero, but for infinity and NaN; FLAC holds nothing but whole numbers.
  let probe = 0;
  if (format !== "flac") for (let i = 0; i < audio.samples.length; i++) probe += audio.samples[i]! * 0;
  if (probe !== 0) throw new Error(`sample ${audio.samples.findIndex((value) => !Number.isFinite(value))} isn't a finite number`);
  return audio;
}

/**
 * Decodes an audio file; see {@link decodeAudio}.
 *
 * @throws also where the file can't be read
 */
export async function decodeAudioFile(path: string): Promise<RawAudio> {
  return decodeAudio(await readFile(path));
}

/**
 * What the headers of an audio file say, without decoding it. It reads the first few KiB, of Ogg also the last 64, of MP3 all.
 *
 * @throws where the file can't be read or its headers are damaged
 */
export async function probeAudioFile(path: string): Promise<AudioInfo> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const read = async (from: number, length: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
      return buffer.subarray(0, bytesRead);
    };
    const head = await read(0, Math.min(size, HEAD));
    const tag = id3Length(head);
    const format = detectFormat(head, tag < HEAD - MAGIC_BYTES ? head.subarray(tag) : await read(tag, MAGIC_BYTES));
    if (format === "wav") return readWavHeader(head, size) ?? readWavHeader(await read(0, size), size)!;
    if (format === "flac") return readFlacHeader(head, size) ?? readFlacHeader(await read(0, size), size)!;
    if (format === "mp3") return readMp3(await read(0, size));
    const tail = await read(Math.max(0, size - OGG_TAIL), Math.min(size, OGG_TAIL));
    return readOggEnds(head, tail) ?? readOgg(await read(0, size));
  } finally {
    await file.close();
  }
}

/** The mean of the channels. */
function mixDown({ channelData, sampleRate }: Decoded): RawAudio {
  const samples = new Float32Array(channelData[0]!.length);
  const channels = channelData.length;
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += channelData[channel]![i]!;
    samples[i] = sum / channels;
  }
  return { samples, sampleRate };
}

/** Added to a small number and taken away again, it leaves the nearest whole one. */
const ROUNDING = 1.5 * 2 ** 52;

/** The mean of channels of whole numbers that the decoder of FLAC divided by the largest one: full scale is one more, as in WAV. */
function mixDownIntegers({ channelData, sampleRate }: Decoded, bits: number): RawAudio {
  const full = 2 ** (bits - 1);
  const samples = new Float32Array(channelData[0]!.length);
  const channels = channelData.length;
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += channelData[channel]![i]! * (full - 1) + ROUNDING - ROUNDING;
    samples[i] = sum / (full * channels);
  }
  return { samples, sampleRate };
}

/** A decoder in WASM: loaded and made when first needed, used by one file at a time, made anew after a failure. */
class SharedDecoder<D extends { readonly ready: Promise<void> }> {
  readonly #lane = new Lanes(1);
  #decoder: D | undefined;

  constructor(private readonly create: () => Promise<D>) {}

  run<T>(decode: (decoder: D) => Promise<T>): Promise<T> {
    return this.#lane.run(async () => {
      const decoder = (this.#decoder ??= await this.create());
      try {
        await decoder.ready;
        return await decode(decoder);
      } catch (error) {
        this.#decoder = undefined;
        throw error;
      }
    });
  }
}

const flacDecoder = new SharedDecoder(async () => new (await import("@wasm-audio-decoders/flac")).FLACDecoder());
const vorbisDecoder = new SharedDecoder(async () => new (await import("@wasm-audio-decoders/ogg-vorbis")).OggVorbisDecoder());
const mp3Decoder = new SharedDecoder(async () => new (await import("mpg123-decoder")).MPEGDecoder());

/** The decoders in WASM leave out what they can't decode, so that each result is held against what the headers promise. */
const DECODE = {
  flac: async (bytes: Uint8Array): Promise<RawAudio> => {
    const info = readFlacHeader(bytes, bytes.length)!;
    const decoded = await flacDecoder.run((decoder) => decoder.decodeFile(bytes.subarray(id3Length(bytes)))).catch(corrupt("FLAC"));
    return mixDownIntegers(complete("FLAC", decoded, info), info.bitsPerSample);
  },
  vorbis: async (bytes: Uint8Array): Promise<RawAudio> => {
    const info = readOgg(bytes);
    const decoded = await vorbisDecoder.run((decoder) => decoder.decodeFile(bytes)).catch(corrupt("Ogg Vorbis"));
    // A stream cut out of a longer one begins later than at 0.
    return mixDown(complete("Ogg Vorbis", decoded, { ...info, frames: Math.min(info.frames, decoded.samplesDecoded) }));
  },
  mp3: async (bytes: Uint8Array): Promise<RawAudio> => {
    const info = readMp3(bytes);
    const decoded = await mp3Decoder
      .run(async (decoder) => {
        const result = decoder.decode(bytes);
        await decoder.reset();
        return result;
      })
      .catch(corrupt("MP3"));
    // The walk over the frames saw that all are there; decoders differ in how much of the first and last ones is sound.
    const close = Math.abs(decoded.samplesDecoded - info.frames) <= MP3_SLACK;
    return mixDown(complete("MP3", decoded, close ? { ...info, frames: decoded.samplesDecoded } : info));
  },
};

function complete(
  format: string,
  decoded: Decoded & { samplesDecoded: number; errors: readonly { message: string }[] },
  info: AudioInfo,
): Decoded {
  const [error] = decoded.errors;
  if (error !== undefined) throw new Error(`${format}: corrupt: ${error.message}`);
  if (decoded.samplesDecoded !== info.frames) {
    throw new Error(`${format}: truncated or corrupt: ${decoded.samplesDecoded} of ${info.frames} samples could be decoded`);
  }
  checkInfo({ ...info, channels: decoded.channelData.length });
  if (decoded.sampleRate !== info.sampleRate) {
    throw new Error(`${format}: corrupt: the header says ${info.sampleRate} Hz, the samples ${decoded.sampleRate}`);
  }
  return decoded;
}

function corrupt(format: string): (cause: Error) => never {
  return (cause) => {
    throw new Error(`${format}: corrupt: ${cause.message}`, { cause });
  };
}
