/** What a FLAC file's headers say: STREAMINFO, and the place of the last frame where that lacks the length (RFC 9639). */
import { type AudioInfo, checkInfo, hasMagic, id3Length, viewOf } from "./format.js";

interface FlacInfo extends AudioInfo {
  readonly bitsPerSample: number;
}

/** Bytes of the marker, the block header and STREAMINFO. */
const HEADER_BYTES = 42;
const STREAMINFO_BYTES = 34;

/**
 * Reads the header of a FLAC file.
 *
 * @param head the first bytes of the file
 * @param size bytes of the whole file
 * @returns null where more of the file is needed than `head`
 * @throws where it is truncated or not FLAC
 */
export function readFlacHeader(head: Uint8Array, size: number): FlacInfo | null {
  const start = id3Length(head);
  if (start + HEADER_BYTES > size) throw new Error("FLAC: truncated: it ends within its header");
  if (start + HEADER_BYTES > head.length) return null;
  const view = viewOf(head);
  if (!hasMagic(head, "fLaC", start) || (head[start + 4]! & 0x7f) !== 0 || (view.getUint32(start + 4) & 0xffffff) !== STREAMINFO_BYTES) {
    throw new Error("FLAC: corrupt: it doesn't begin with STREAMINFO");
  }
  const at = start + 8;
  const fixedBlock = view.getUint16(at) === view.getUint16(at + 2) ? view.getUint16(at) : 0;
  const packed = view.getUint32(at + 10);
  const total = (view.getUint8(at + 13) & 0x0f) * 2 ** 32 + view.getUint32(at + 14);
  if (total === 0 && head.length < size) return null;
  return checkInfo({
    format: "flac",
    sampleRate: packed >>> 12,
    channels: ((packed >>> 9) & 7) + 1,
    bitsPerSample: ((packed >>> 4) & 31) + 1,
    frames: total === 0 ? endOfLastFrame(head, fixedBlock) : total,
  });
}

/** The number of the sample after the last frame whose header is whole, 0 where there is none. */
function endOfLastFrame(bytes: Uint8Array, fixedBlock: number): number {
  for (let at = bytes.length - 6; at >= HEADER_BYTES; at--) {
    if (bytes[at] !== 0xff || (bytes[at + 1]! & 0xfe) !== 0xf8) continue;
    const end = frameEnd(bytes, at, fixedBlock);
    if (end !== null) return end;
  }
  return 0;
}

/** The number of the sample after the frame whose header is at `at`; null where none is. */
function frameEnd(bytes: Uint8Array, at: number, fixedBlock: number): number | null {
  const blockCode = bytes[at + 2]! >> 4;
  const rateCode = bytes[at + 2]! & 15;
  const number = codedNumber(bytes, at + 4);
  if (number === null || blockCode === 0 || rateCode === 15) return null;
  let end = number.end;
  let blockSize = blockCode === 1 ? 192 : blockCode < 6 ? 576 << (blockCode - 2) : 256 << (blockCode - 8);
  if (blockCode === 6) blockSize = bytes[end++]! + 1;
  else if (blockCode === 7) {
    blockSize = bytes[end]! * 256 + bytes[end + 1]! + 1;
    end += 2;
  }
  end += rateCode === 12 ? 1 : rateCode === 13 || rateCode === 14 ? 2 : 0;
  if (end >= bytes.length || crc8(bytes, at, end) !== bytes[end]) return null;
  // The last frame of fixed blocks may be a short one, but is counted in whole blocks.
  const variable = (bytes[at + 1]! & 1) !== 0;
  return (variable ? number.value : number.value * (fixedBlock || blockSize)) + blockSize;
}

/** A number coded as UTF-8 codes characters, of up to 36 bits. */
function codedNumber(bytes: Uint8Array, at: number): { value: number; end: number } | null {
  const first = bytes[at]!;
  if (first < 0x80) return { value: first, end: at + 1 };
  const length = Math.clz32(~(first << 24));
  if (length < 2 || length > 7) return null;
  let value = first & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    if ((bytes[at + i]! & 0xc0) !== 0x80) return null;
    value = value * 64 + (bytes[at + i]! & 0x3f);
  }
  return { value, end: at + length };
}

/** CRC-8 with polynomial 0x07. */
function crc8(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let at = start; at < end; at++) {
    crc ^= bytes[at]!;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x80) !== 0 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
  }
  return crc;
}
