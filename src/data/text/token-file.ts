/** Token ids in a file: a header of 64 bytes, then the ids as 16 or 32 bits each, little-endian. Written whole or not at all. */
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { endianness } from "node:os";
import path from "node:path";

/** An array of token ids as they are kept. */
export type Ids = Uint16Array | Uint32Array;

/** A stream of token ids of which stretches can be read. */
export interface TokenStream {
  readonly tokens: number;
  /** The ids from `start` on. */
  read(start: number, length: number): Promise<Ids>;
  /** Frees the file; not needed for the process to end. */
  close(): Promise<void>;
}

/** Takes the ids of a stream, piece by piece. */
export type TokenSink = (ids: readonly number[]) => void | Promise<void>;

const MAGIC = "d2vtext1";
const HEADER_BYTES = 64;
const BUFFER_IDS = 2 ** 18;

/** Width of an id in bytes for a vocabulary of so many tokens. */
export function idBytes(vocab: number): 2 | 4 {
  return vocab <= 2 ** 16 ? 2 : 4;
}

/**
 * Writes a token file: under another name first, then renamed into its place.
 *
 * @param key 64 hexadecimal digits that tell what the ids were made of
 * @throws where it can't be written; nothing is left behind then
 */
export async function writeTokenFile(file: string, key: string, vocab: number, fill: (sink: TokenSink) => Promise<void>): Promise<void> {
  requireLittleEndian();
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.partial`);
  const width = idBytes(vocab);
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const handle = await open(temporary, "w");
    try {
      await writeAll(handle, Buffer.alloc(HEADER_BYTES));
      const buffer = width === 2 ? new Uint16Array(BUFFER_IDS) : new Uint32Array(BUFFER_IDS);
      let filled = 0;
      let tokens = 0;
      const flush = async () => {
        await writeAll(handle, new Uint8Array(buffer.buffer, 0, filled * width));
        tokens += filled;
        filled = 0;
      };
      await fill(async (ids) => {
        for (let from = 0; from < ids.length; ) {
          const count = Math.min(ids.length - from, BUFFER_IDS - filled);
          for (let i = 0; i < count; i++) buffer[filled + i] = ids[from + i]!;
          filled += count;
          from += count;
          if (filled === BUFFER_IDS) await flush();
        }
      });
      await flush();
      await handle.write(header(width, tokens, key), 0, HEADER_BYTES, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    const { code, message } = cause as NodeJS.ErrnoException;
    // Faults of the data have messages of their own.
    if (code === undefined) throw cause;
    throw new Error(`${file}: can't be written: ${code === "ENOSPC" ? "the disk is full" : message}`, { cause });
  }
}

/** Opens a token file; null where there is none that is whole and has this key. */
export async function openTokenFile(file: string, key: string, vocab: number): Promise<TokenStream | null> {
  requireLittleEndian();
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new Error(`${file}: can't be read: ${error.message}`, { cause: error });
  });
  if (handle === null) return null;
  const width = idBytes(vocab);
  const head = Buffer.alloc(HEADER_BYTES);
  await handle.read(head, 0, HEADER_BYTES, 0);
  const tokens = Number(head.readBigUInt64LE(16));
  const { size } = await handle.stat();
  if (!head.equals(header(width, tokens, key)) || size !== HEADER_BYTES + tokens * width) {
    await handle.close();
    return null;
  }
  return {
    tokens,
    async read(start, length) {
      checkStretch(start, length, tokens);
      const ids = width === 2 ? new Uint16Array(length) : new Uint32Array(length);
      const bytes = new Uint8Array(ids.buffer);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, HEADER_BYTES + start * width + at);
        if (bytesRead === 0) throw new Error(`${file}: truncated while it was in use\nremove it; it is made anew from the text`);
        at += bytesRead;
      }
      return ids;
    },
    close: () => handle.close(),
  };
}

/** Ids in memory as a stream. */
export function memoryStream(ids: Ids): TokenStream {
  return {
    tokens: ids.length,
    async read(start, length) {
      checkStretch(start, length, ids.length);
      return ids.subarray(start, start + length);
    },
    async close() {},
  };
}

function header(width: number, tokens: number, key: string): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(width, 8);
  bytes.writeBigUInt64LE(BigInt(tokens), 16);
  bytes.write(key, 32, "hex");
  return bytes;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

function checkStretch(start: number, length: number, tokens: number): void {
  if (start < 0 || length < 0 || start + length > tokens) {
    throw new RangeError(`tokens ${start} to ${start + length} are outside 0..${tokens}`);
  }
}

function requireLittleEndian(): void {
  if (endianness() !== "LE") throw new Error("token files need a little-endian machine");
}
