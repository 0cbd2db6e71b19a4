/** Walks the frames of an MP3 file: that it is whole, and how long it is. */
import { type AudioInfo, checkInfo, hasMagic, id3Length, viewOf } from "./format.js";

interface Frame {
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples of each channel. */
  readonly samples: number;
  readonly bytes: number;
  /** Where a Xing or Info tag stands, from the frame's start. */
  readonly tagOffset: number;
}

const KILOBITS = {
  1: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const;
const SAMPLE_RATES = [44100, 48000, 32000];
/** How far the first frame is looked for: some writers leave padding after a tag. */
const MAX_JUNK = 65536;
/** What may follow the last frame. */
const TRAILERS = ["TAG", "APETAGEX", "LYRICSBEGIN", "ID3", "3DI"];

/**
 * Checks an MP3 file frame by frame.
 *
 * @throws where it is truncated or corrupt, or not MPEG audio of layer III
 */
export function readMp3(bytes: Uint8Array): AudioInfo {
  const start = firstFrame(bytes, id3Length(bytes));
  const first = readFrame(bytes, start)!;
  const tag = readTag(bytes, start + first.tagOffset);
  let frames = 0;
  let at = start;
  while (at < bytes.length && !isTrailer(bytes, at)) {
    const frame = readFrame(bytes, at);
    if (frame === null || frame.sampleRate !== first.sampleRate) {
      // Too little is left to tell.
      if (bytes.length - at < 4) throw new Error("MP3: truncated: it ends within a frame");
      throw new Error(`MP3: corrupt: expected a frame at byte ${at}`);
    }
    if (at + frame.bytes > bytes.length) throw new Error("MP3: truncated: it ends within a frame");
    frames += 1;
    at += frame.bytes;
  }
  if (tag !== null) frames -= 1;
  // Some writers count the tag's own frame.
  if (tag?.frames !== undefined && frames + 1 < tag.frames) throw new Error(`MP3: truncated: ${frames} of ${tag.frames} frames are there`);
  return checkInfo({
    format: "mp3",
    sampleRate: first.sampleRate,
    channels: first.channels,
    frames: Math.max(0, frames * first.samples - (tag?.trimmed ?? 0)),
  });
}

/** Where two frames follow each other, or one ends the file. */
function firstFrame(bytes: Uint8Array, from: number): number {
  for (let at = from; at < Math.min(bytes.length, from + MAX_JUNK); at++) {
    const frame = readFrame(bytes, at);
    if (frame === null) continue;
    const end = at + frame.bytes;
    if (end === bytes.length || isTrailer(bytes, end) || readFrame(bytes, end)?.sampleRate === frame.sampleRate) return at;
  }
  throw new Error("MP3: no frame of MPEG layer III found");
}

function readFrame(bytes: Uint8Array, at: number): Frame | null {
  if (at + 4 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1]! & 0xe0) !== 0xe0) return null;
  // Of the version's two bits 3 is MPEG-1, 2 MPEG-2, 0 MPEG-2.5; of the layer's 1 is III.
  const versionBits = (bytes[at + 1]! >> 3) & 3;
  const layerBits = (bytes[at + 1]! >> 1) & 3;
  const rateBits = (bytes[at + 2]! >> 2) & 3;
  const kilobits = KILOBITS[versionBits === 3 ? 1 : 2][bytes[at + 2]! >> 4];
  if (versionBits === 1 || layerBits !== 1 || rateBits === 3 || !kilobits) return null;
  const sampleRate = SAMPLE_RATES[rateBits]! / (versionBits === 3 ? 1 : versionBits === 2 ? 2 : 4);
  const samples = versionBits === 3 ? 1152 : 576;
  const padding = (bytes[at + 2]! >> 1) & 1;
  const mono = bytes[at + 3]! >> 6 === 3;
  const sideInformation = versionBits === 3 ? (mono ? 17 : 32) : mono ? 9 : 17;
  return {
    sampleRate,
    channels: mono ? 1 : 2,
    samples,
    bytes: Math.floor(((samples / 8) * kilobits * 1000) / sampleRate) + padding,
    tagOffset: 4 + sideInformation,
  };
}

/** The Xing or Info tag, which takes the place of the first frame: the number of frames, and the samples that the encoder added. */
function readTag(bytes: Uint8Array, at: number): { frames?: number; trimmed: number } | null {
  if (!hasMagic(bytes, "Xing", at) && !hasMagic(bytes, "Info", at)) return null;
  const view = viewOf(bytes);
  const flags = view.getUint32(at + 4);
  const fields = [4, 4, 100, 4];
  const encoder = at + 8 + fields.reduce((sum, length, bit) => sum + ((flags >> bit) & 1) * length, 0);
  const named = encoder + 24 <= bytes.length && /[A-Za-z]/.test(String.fromCharCode(bytes[encoder]!));
  const gaps = named ? view.getUint32(encoder + 20) & 0xffffff : 0;
  return { ...((flags & 1) !== 0 ? { frames: view.getUint32(at + 8) } : {}), trimmed: (gaps >> 12) + (gaps & 0xfff) };
}

function isTrailer(bytes: Uint8Array, at: number): boolean {
  if (TRAILERS.some((magic) => hasMagic(bytes, magic, at))) return true;
  for (let i = at; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
