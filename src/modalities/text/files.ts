import { encodeExample } from "../../data/text/example.js";
import { padded } from "../../data/text/loader.js";
import { readLines } from "../../data/text/text-files.js";
import type { Device } from "../../tensor/device.js";
import type { PreparedBatch } from "../prepared-batch.js";
import type { TextConfig } from "./config.js";
import { type TextInput, uploadTokens } from "./input.js";
import { requireTokenizer } from "./tokenizer.js";

/** Texts of one micro-batch where no gradient is needed. */
export const INFERENCE_BATCH = 64;

/**
 * The lines of text files in micro-batches, each line a sample named `file:line`; lines without text are left out. A tab parts the two texts
 * of a pair.
 */
export async function* openTextFiles(files: readonly string[], config: TextConfig): AsyncGenerator<PreparedBatch<TextInput>> {
  const tokenizer = await requireTokenizer(config);
  const { pad } = tokenizer.special;
  let names: string[] = [];
  let sequences: Int32Array[] = [];
  const batch = (): PreparedBatch<TextInput> => {
    const tokens = padded(sequences, pad);
    const size = names.length;
    const prepared = { size, weight: size, names, upload: (device: Device) => uploadTokens(device, tokens, pad) };
    [names, sequences] = [[], []];
    return prepared;
  };
  for (const file of files) {
    for await (const lines of readLines(file)) {
      for (const { text, number } of lines) {
        const segments = text.split("\t").map((segment) => segment.trim());
        if (segments.every((segment) => segment === "")) continue;
        if (segments.length > 2)
          throw new Error(`${file}:${number}: expected a text, or two with a tab between them, got ${segments.length}`);
        names.push(`${file}:${number}`);
        sequences.push(encodeExample(tokenizer, segments[0], segments[1] ?? null, config.data.tokensPerSample));
        if (names.length === INFERENCE_BATCH) yield batch();
      }
    }
  }
  if (names.length > 0) yield batch();
}
