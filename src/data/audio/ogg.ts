/** Walks the pages of an Ogg Vorbis file: that it is whole, and how long it is (RFC 3533). */
import { type AudioInfo, checkInfo, hasMagic, viewOf } from "./format.js";

interface Page {
  readonly first: boolean;
  readonly last: boolean;
  /** Samples until the end of the page; -1 where no packet ends on it. */
  readonly granule: number;
  readonly serial: number;
  readonly sequence: number;
  readonly dataOffset: number;
  readonly end: number;
}

const PAGE_HEADER = 27;
/** The largest page: its header, 255 lengths and as many segments of 255 bytes. */
const MAX_PAGE = PAGE_HEADER + 255 + 255 * 255;

/** How many last bytes of a file {@link readOggEnds} wants. */
export const OGG_TAIL = MAX_PAGE;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});

/**
 * Checks an Ogg Vorbis file page by page.
 *
 * @throws where it is truncated or corrupt, not Vorbis, or holds several streams
 */
export function readOgg(bytes: Uint8Array): AudioInfo {
  let frames = 0;
  let serial: number | undefined;
  let number = 0;
  let ended = false;
  for (let at = 0; at < bytes.length; ) {
    const page = readPage(bytes, at);
    if (page === null) throw new Error(`Ogg: corrupt: expected a page at byte ${at}`);
    if (page.end > bytes.length) throw new Error(`Ogg: truncated: it ends within page ${number}`);
    serial ??= page.serial;
    if (page.serial !== serial || (page.first && number > 0)) throw new Error("Ogg: holds several streams; extract the one to use");
    if (page.sequence !== number) throw new Error(`Ogg: corrupt: page ${number} is missing`);
    if (checksum(bytes, at, page.end) !== viewOf(bytes).getUint32(at + 22, true)) {
      throw new Error(`Ogg: corrupt: page ${number} doesn't match its checksum`);
    }
    if (page.granule >= 0) frames = page.granule;
    ended = page.last;
    number += 1;
    at = page.end;
  }
  if (!ended) throw new Error("Ogg: truncated: it lacks its last page");
  return checkInfo({ ...readIdentification(bytes), frames });
}

/**
 * Rate and length from the first and the last page alone.
 *
 * @param head the first bytes of a file: its first page holds 30 bytes
 * @param tail its last bytes, {@link OGG_TAIL} or all
 * @returns null where the last page isn't found: the file isn't whole
 */
export function readOggEnds(head: Uint8Array, tail: Uint8Array): AudioInfo | null {
  for (let at = tail.length - PAGE_HEADER; at >= 0; at--) {
    if (!hasMagic(tail, "OggS", at)) continue;
    const page = readPage(tail, at);
    if (page === null || page.end !== tail.length) continue;
    return page.last && page.granule >= 0 ? checkInfo({ ...readIdentification(head), frames: page.granule }) : null;
  }
  return null;
}

function readPage(bytes: Uint8Array, at: number): Page | null {
  if (!hasMagic(bytes, "OggS", at) || bytes[at + 4] !== 0) return null;
  const segments = bytes[at + 26];
  // A page that isn't even there in part ends beyond the file.
  if (segments === undefined || at + PAGE_HEADER + segments > bytes.length) return { ...PARTIAL, end: Number.POSITIVE_INFINITY };
  const view = viewOf(bytes);
  const dataOffset = at + PAGE_HEADER + segments;
  let end = dataOffset;
  for (let i = 0; i < segments; i++) end += bytes[at + PAGE_HEADER + i]!;
  return {
    first: (bytes[at + 5]! & 2) !== 0,
    last: (bytes[at + 5]! & 4) !== 0,
    granule: view.getInt32(at + 10, true) * 2 ** 32 + view.getUint32(at + 6, true),
    serial: view.getUint32(at + 14, true),
    sequence: view.getUint32(at + 18, true),
    dataOffset,
    end,
  };
}

const PARTIAL = { first: false, last: false, granule: -1, serial: 0, sequence: 0, dataOffset: 0 };

function readIdentification(bytes: Uint8Array): Pick<AudioInfo, "format" | "sampleRate" | "channels"> {
  const at = readPage(bytes, 0)?.dataOffset ?? 0;
  if (hasMagic(bytes, "OpusHead", at)) throw new Error("Ogg Opus audio isn't read; accepted are WAV, FLAC, Ogg Vorbis and MP3");
  if (hasMagic(bytes, "\x7fFLAC", at)) throw new Error("Ogg FLAC audio isn't read; accepted are WAV, FLAC, Ogg Vorbis and MP3");
  if (!hasMagic(bytes, "\x01vorbis", at) || bytes.length < at + 16) throw new Error("Ogg: its stream isn't Vorbis");
  return { format: "vorbis", channels: bytes[at + 11]!, sampleRate: viewOf(bytes).getUint32(at + 12, true) };
}

/** The page's CRC-32, taken with its own field as zero. */
function checksum(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let at = start; at < end; at++) {
    const byte = at >= start + 22 && at < start + 26 ? 0 : bytes[at]!;
    crc = (crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ byte]!;
  }
  return crc >>> 0;
}
