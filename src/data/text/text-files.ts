/** Finds text files, and reads them line by line: plain or gzipped, checked to be UTF-8. */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";

/** A file of a data set. */
export interface DataFile {
  readonly path: string;
  /** Below the folder that was given, or the file's own name; with forward slashes. */
  readonly name: string;
  readonly bytes: number;
  /** Last modification in milliseconds. */
  readonly modified: number;
}

/** A line of a file; its number counts from 1. */
export interface Line {
  readonly text: string;
  readonly number: number;
}

/** What to do about lines that aren't UTF-8: stop with an error (where left out), or leave them out and tell. */
export type OnInvalid = (place: string) => void;

/** A longer line is none: the file isn't text. */
const MAX_LINE_BYTES = 2 ** 26;
const CHUNK_BYTES = 2 ** 18;

/** The files at `place` whose names match, sorted by code unit: itself where it is a file, else all below it but hidden ones. */
export async function findFiles(place: string, accepted: RegExp): Promise<DataFile[]> {
  const look = async (file: string, name: string): Promise<DataFile> => {
    const { size, mtimeMs } = await stat(file);
    return { path: file, name, bytes: size, modified: mtimeMs };
  };
  const found = await stat(place).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${place}: ${cause.code === "ENOENT" ? "no such file or folder" : cause.message}`, { cause });
  });
  if (!found.isDirectory()) return [await look(place, path.basename(place))];
  const names = (await readdir(place, { recursive: true })).map((name) => name.split(path.sep).join("/"));
  const wanted = names.filter((name) => accepted.test(name) && !/(^|\/)(\.|__MACOSX)/.test(name)).sort();
  const files: DataFile[] = [];
  for (const name of wanted) {
    const file = path.join(place, name);
    if ((await stat(file)).isFile()) files.push(await look(file, name));
  }
  return files;
}

/**
 * The lines of a file, some at a time, without their ends (LF or CRLF) and without a byte order mark.
 *
 * @throws where the file can't be read, is cut off (gzip), has a line of more than 64 MiB, or one that isn't UTF-8
 */
export async function* readLines(file: string, onInvalid?: OnInvalid): AsyncGenerator<Line[], void, undefined> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  let number = 1;
  for await (const chunk of readBytes(file)) {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) {
      const lines = decodeLines(file, concatenate(rest, chunk.subarray(0, end - 1)), number, onInvalid);
      number = lines.next;
      yield lines.lines;
      rest = [];
      restBytes = 0;
    }
    rest.push(chunk.subarray(end));
    restBytes += chunk.length - end;
    if (restBytes > MAX_LINE_BYTES) throw new Error(`${file}:${number}: a line of more than 64 MiB; is this a text file?`);
  }
  if (restBytes > 0) yield decodeLines(file, concatenate(rest, new Uint8Array()), number, onInvalid).lines;
}

const LF = 0x0a;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeLines(file: string, bytes: Uint8Array, first: number, onInvalid: OnInvalid | undefined): { lines: Line[]; next: number } {
  const lines: Line[] = [];
  let number = first;
  const add = (text: string) => {
    const whole = number === 1 && text.startsWith("\ufeff") ? text.slice(1) : text;
    lines.push({ text: whole.endsWith("\r") ? whole.slice(0, -1) : whole, number: number++ });
  };
  const text = decode(bytes);
  if (text !== null) {
    for (const line of text.split("\n")) add(line);
    return { lines, next: number };
  }
  for (let from = 0; from <= bytes.length; ) {
    const newline = bytes.indexOf(LF, from);
    const end = newline < 0 ? bytes.length : newline;
    const line = decode(bytes.subarray(from, end));
    if (line !== null) add(line);
    else {
      const place = `${file}:${number++}`;
      if (onInvalid === undefined) throw new Error(`${place}: not UTF-8\nconvert the file to UTF-8, or remove the line`);
      onInvalid(place);
    }
    from = end + 1;
  }
  return { lines, next: number };
}

function decode(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

function concatenate(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  return parts.length === 0 ? last : Buffer.concat([...parts, last]);
}

async function* readBytes(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  const raw = createReadStream(file, { highWaterMark: CHUNK_BYTES });
  // The pipeline hands a failure of the file on to the reader of what comes out.
  const stream = /\.gz$/i.test(file) ? pipeline(raw, createGunzip({ chunkSize: CHUNK_BYTES }), () => {}) : raw;
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new Error(`${file}: ${code === "ENOENT" ? "no such file" : message}`, { cause });
  } finally {
    raw.destroy();
  }
}
