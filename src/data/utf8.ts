/** Text files as they must be: UTF-8. */
import { readFile } from "node:fs/promises";

const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * The text of a file, without a byte order mark.
 *
 * @throws where it can't be read, or isn't UTF-8; the message names file and line
 */
export async function readUtf8(path: string): Promise<string> {
  const bytes = await readFile(path);
  try {
    return strict.decode(bytes);
  } catch (cause) {
    throw new Error(`${path}:${invalidLine(bytes)}: not UTF-8\nconvert the file to UTF-8`, { cause });
  }
}

/** The number of the first line that isn't UTF-8. */
function invalidLine(bytes: Buffer): number {
  let line = 1;
  for (let from = 0; from <= bytes.length; line++) {
    const newline = bytes.indexOf("\n", from);
    const end = newline < 0 ? bytes.length : newline;
    try {
      strict.decode(bytes.subarray(from, end));
    } catch {
      return line;
    }
    from = end + 1;
  }
  return line;
}
