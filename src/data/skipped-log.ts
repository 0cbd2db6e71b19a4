/** The list of images a run had to skip. */
import { appendFileSync } from "node:fs";
import type { SkippedImage } from "./loader.js";

/** A handler for `LoaderOptions.onSkip` that appends one line of JSON an image, `{"name":…,"error":…}`, to a file. */
export function skippedLog(path: string): (skipped: SkippedImage) => void {
  return ({ name, error }) => appendFileSync(path, `${JSON.stringify({ name, error })}\n`);
}
