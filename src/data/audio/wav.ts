/** Reads WAV files: PCM of 8, 16, 24 and 32 bits, floats of 32 and 64, any number of channels. */
import { type AudioInfo, checkInfo, hasMagic, viewOf } from "./format.js";

interface WavInfo extends AudioInfo {
  readonly encoding: "integer" | "float";
  /** Of one sample of one channel. */
  readonly sampleBytes: number;
  readonly dataOffset: number;
}

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
const OTHER_TAGS = new Map([
  [2, "ADPCM"],
  [6, "A-law"],
  [7, "mu-law"],
  [17, "IMA ADPCM"],
  [49, "GSM"],
  [85, "MP3"],
]);
/** What stands for the size of the data where the writer couldn't go back to fill it in. */
const UNKNOWN_SIZE = 0xffffffff;
const CHUNK_HEADER = 8;

/**
 * Reads the header of a WAV file.
 *
 * @param head the first bytes of the file
 * @param size bytes of the whole file
 * @returns null where the samples begin beyond `head`
 * @throws where it is truncated, inconsistent, or of an encoding that isn't read
 */
export function readWavHeader(head: Uint8Array, size: number): WavInfo | null {
  const view = viewOf(head);
  let format: Omit<WavInfo, "frames" | "dataOffset"> | undefined;
  let at = 12;
  while (at + CHUNK_HEADER <= size) {
    if (at + CHUNK_HEADER > head.length) return null;
    const length = view.getUint32(at + 4, true);
    const start = at + CHUNK_HEADER;
    if (hasMagic(head, "fmt ", at)) {
      if (start + length > size) break;
      if (start + length > head.length) return null;
      format = readFormat(view, start, length);
    } else if (hasMagic(head, "data", at)) {
      if (format === undefined) throw new Error("WAV: the samples come before their format");
      return dataInfo(format, start, length, size - start);
    }
    at = start + length + (length % 2);
  }
  throw new Error(`WAV: truncated: it ends before ${format === undefined ? "the format of its samples" : "its samples"}`);
}

function dataInfo(format: Omit<WavInfo, "frames" | "dataOffset">, dataOffset: number, length: number, present: number): WavInfo {
  const frameBytes = format.sampleBytes * format.channels;
  if (length === UNKNOWN_SIZE) return checkInfo({ ...format, frames: Math.floor(present / frameBytes), dataOffset });
  if (length > present) throw new Error(`WAV: truncated: the header tells of ${length} bytes of samples, the file has ${present}`);
  if (length % frameBytes !== 0) throw new Error(`WAV: ${length} bytes of samples are no whole number of frames of ${frameBytes} bytes`);
  return checkInfo({ ...format, frames: length / frameBytes, dataOffset });
}

function readFormat(view: DataView, start: number, length: number): Omit<WavInfo, "frames" | "dataOffset"> {
  if (length < 16) throw new Error(`WAV: format chunk: expected at least 16 bytes, got ${length}`);
  const channels = view.getUint16(start + 2, true);
  const sampleRate = view.getUint32(start + 4, true);
  const frameBytes = view.getUint16(start + 12, true);
  const bits = view.getUint16(start + 14, true);
  let tag = view.getUint16(start, true);
  // The extension's first two bytes of the sub-format are the tag proper.
  if (tag === EXTENSIBLE && length >= 26) tag = view.getUint16(start + 24, true);
  if (tag !== PCM && tag !== FLOAT) {
    throw new Error(`WAV: encoding ${OTHER_TAGS.get(tag) ?? tag} isn't read; accepted are PCM and floating point`);
  }
  if (channels < 1) throw new Error("WAV: has no channels");
  // A sample of 12 bits, say, lies in the upper bits of its two bytes.
  const sampleBytes = frameBytes / channels;
  const accepted = tag === PCM ? [1, 2, 3, 4] : [4, 8];
  if (!accepted.includes(sampleBytes) || bits > 8 * sampleBytes || bits <= 8 * (sampleBytes - 1)) {
    const depths = accepted.map((bytes) => 8 * bytes).join(", ");
    throw new Error(`WAV: expected samples of ${depths} bits, got ${bits} bits in ${frameBytes} bytes for ${channels} channels`);
  }
  return { format: "wav", encoding: tag === PCM ? "integer" : "float", sampleRate, channels, sampleBytes };
}

/**
 * Decodes a WAV file to the mean of its channels, full scale 1.
 *
 * @throws see {@link readWavHeader}
 */
export function decodeWav(bytes: Uint8Array): { samples: Float32Array<ArrayBuffer>; sampleRate: number } {
  // Never null with the whole file at hand.
  const info = readWavHeader(bytes, bytes.length)!;
  const read = sampleReader(viewOf(bytes), info);
  const { frames, channels, sampleBytes, dataOffset, sampleRate } = info;
  const samples = new Float32Array(frames);
  let at = dataOffset;
  for (let frame = 0; frame < frames; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++, at += sampleBytes) sum += read(at);
    samples[frame] = sum / channels;
  }
  return { samples, sampleRate };
}

function sampleReader(view: DataView, { encoding, sampleBytes }: WavInfo): (at: number) => number {
  if (encoding === "float") return sampleBytes === 4 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  if (sampleBytes === 1) return (at) => (view.getUint8(at) - 0x80) / 0x80;
  if (sampleBytes === 2) return (at) => view.getInt16(at, true) / 0x8000;
  if (sampleBytes === 3) return (at) => (view.getInt8(at + 2) * 0x10000 + view.getUint16(at, true)) / 0x800000;
  return (at) => view.getInt32(at, true) / 0x80000000;
}
