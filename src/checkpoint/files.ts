/** Files that are either wholly there or not at all: written beside their place, flushed, then renamed into it. */
import { type FileHandle, mkdir, open, readFile, rename, rm, statfs } from "node:fs/promises";
import path from "node:path";
import { CheckpointError, fileError, systemCode } from "./error.js";

const CHUNK = 16 * 2 ** 20;

/** Writes all of `bytes` at the handle's position, in pieces that every platform accepts. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, at, Math.min(CHUNK, bytes.byteLength - at));
    at += bytesWritten;
  }
}

/** Fills `bytes` from the file at `position`; throws where the file ends before. */
export async function readExactly(handle: FileHandle, bytes: Uint8Array, position: number, file: string): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(CHUNK, bytes.byteLength - at), position + at);
    if (bytesRead === 0) throw new CheckpointError(`${file}: truncated: it ends before byte ${position + bytes.byteLength}`);
    at += bytesRead;
  }
}

/** Makes sure that renames and removals inside `folder` outlive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows can't open folders; its renames are journalled.
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates or replaces `file` in one step: a reader sees the old content or the new one, never a part.
 *
 * @param bytes the size to come, where known, for the message when the disk is full
 * @throws CheckpointError when the file can't be written; what stood there before is untouched
 */
export async function writeAtomically(file: string, write: (handle: FileHandle) => Promise<void>, bytes?: number): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.partial`);
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const handle = await open(temporary, "w");
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(path.dirname(file));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    if (bytes !== undefined && systemCode(error) === "ENOSPC") throw await diskFull(file, bytes, error);
    throw fileError(file, error);
  }
}

/** {@link writeAtomically} for a text. */
export async function writeText(file: string, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  await writeAtomically(file, (handle) => writeAll(handle, bytes), bytes.byteLength);
}

/** Reads a JSON file; the error names the file when it isn't there or isn't JSON. */
export async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw fileError(file, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${file}: not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A number of bytes for people. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`;
}

async function diskFull(file: string, bytes: number, cause: unknown): Promise<CheckpointError> {
  const free = await statfs(path.dirname(file)).then(
    ({ bavail, bsize }) => `, ${formatBytes(bavail * bsize)} are free`,
    () => "",
  );
  return new CheckpointError(`${file}: the disk is full: the file needs ${formatBytes(bytes)}${free}`, { cause });
}
