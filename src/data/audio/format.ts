/** Which format audio bytes are in, told by their content, and what their headers say. */

/** The accepted formats. */
export type AudioFormat = "wav" | "flac" | "vorbis" | "mp3";

/** What the headers of an audio file say. */
export interface AudioInfo {
  readonly format: AudioFormat;
  /** In Hz. */
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples of each channel. */
  readonly frames: number;
}

export const MIN_SAMPLE_RATE = 1000;
export const MAX_SAMPLE_RATE = 192_000;

const ACCEPTED = "accepted are WAV, FLAC, Ogg Vorbis and MP3";

/** Formats that are known but not read: name, first bytes, and where these stand. */
const REFUSED: readonly (readonly [name: string, magic: string, at: number])[] = [
  ["RF64", "RF64", 0],
  ["BW64", "BW64", 0],
  ["big-endian WAV", "RIFX", 0],
  ["AIFF", "FORM", 0],
  ["CAF", "caff", 0],
  ["AU", ".snd", 0],
  ["AMR", "#!AMR", 0],
  ["SPHERE", "NIST_1A", 0],
  ["MP4", "ftyp", 4],
  ["WebM or Matroska", "\x1a\x45\xdf\xa3", 0],
  ["RIFF", "RIFF", 0],
];

/** How many first bytes {@link detectFormat} looks at, but for those of an ID3 tag. */
export const MAGIC_BYTES = 16;

/**
 * The format of audio bytes.
 *
 * @param afterTag the bytes after an ID3v2 tag, where there is one: MP3 and FLAC files may begin with it
 * @throws where it is none of the accepted ones; the message names the format where it is a known one
 */
export function detectFormat(bytes: Uint8Array, afterTag = bytes.subarray(id3Length(bytes))): AudioFormat {
  if (bytes.length === 0) throw new Error("empty file");
  if (hasMagic(bytes, "RIFF", 0) && hasMagic(bytes, "WAVE", 8)) return "wav";
  if (hasMagic(bytes, "OggS", 0)) return "vorbis";
  if (hasMagic(afterTag, "fLaC", 0)) return "flac";
  for (const [name, magic, at] of REFUSED) {
    if (hasMagic(bytes, magic, at)) throw new Error(`${name} audio isn't read; ${ACCEPTED}`);
  }
  const sync = afterTag[0] === 0xff && (afterTag[1]! & 0xe0) === 0xe0;
  // Layer bits 00 are those of AAC in ADTS.
  if (sync && (afterTag[1]! & 0xf6) === 0xf0) throw new Error(`AAC audio isn't read; ${ACCEPTED}`);
  if (sync || hasMagic(bytes, "ID3", 0)) return "mp3";
  throw new Error(`not an audio file: its first bytes are those of no known format; ${ACCEPTED}`);
}

/** Bytes of an ID3v2 tag at the start, 0 where there is none. */
export function id3Length(bytes: Uint8Array): number {
  if (!hasMagic(bytes, "ID3", 0) || bytes.length < 10) return 0;
  const footer = (bytes[5]! & 0x10) !== 0 ? 10 : 0;
  return 10 + footer + ((bytes[6]! << 21) | (bytes[7]! << 14) | (bytes[8]! << 7) | bytes[9]!);
}

/** True where these characters (of one byte each) stand at a place. */
export function hasMagic(bytes: Uint8Array, magic: string, at: number): boolean {
  for (let i = 0; i < magic.length; i++) {
    if (bytes[at + i] !== magic.charCodeAt(i)) return false;
  }
  return true;
}

/** The bytes as a view of numbers. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Checks what every format must satisfy.
 *
 * @throws where there is nothing to hear, or the sample rate is out of range
 */
export function checkInfo<I extends AudioInfo>(info: I): I {
  const { channels, sampleRate, frames } = info;
  if (channels < 1) throw new Error("has no channels");
  if (sampleRate < MIN_SAMPLE_RATE || sampleRate > MAX_SAMPLE_RATE) {
    throw new Error(`sample rate: expected ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE} Hz, got ${sampleRate}`);
  }
  if (frames < 1) throw new Error("holds no samples");
  return info;
}
