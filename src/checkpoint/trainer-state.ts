/** `trainer.json`: what a run needs beside its tensors to go on. Randomness is a function of seed and step, so there is no more to it. */
import path from "node:path";
import { z } from "zod";
import { CheckpointError } from "./error.js";
import { readJson, writeText } from "./files.js";

const schema = z.object({
  format: z.literal(1),
  /** Optimizer steps done. */
  step: z.int().min(0),
  seed: z.int().min(0),
  /** Fingerprint of `config`. */
  configHash: z.string(),
  /** The effective configuration. */
  config: z.record(z.string(), z.unknown()),
  /** What the run learns from: number of samples, classes, labels, as far as the order of its batches depends on it. */
  data: z.record(z.string(), z.unknown()),
  /** The best evaluation so far, null before the first. */
  best: z.object({ value: z.number(), step: z.int().min(0) }).nullable(),
  /** Evaluations since then without a better one. */
  evaluationsSinceBest: z.int().min(0),
});

/** Contents of `trainer.json`. */
export type TrainerState = z.output<typeof schema>;

const NAME = "trainer.json";

/** Writes `trainer.json` into a checkpoint folder. */
export async function writeTrainerState(
  folder: string,
  state: Omit<TrainerState, "format" | "config"> & { config: object },
): Promise<void> {
  await writeText(path.join(folder, NAME), `${JSON.stringify({ format: 1, ...state }, null, 2)}\n`);
}

/**
 * Reads `trainer.json` of a checkpoint folder.
 *
 * @throws CheckpointError when it isn't there, is of a later format, or lacks something
 */
export async function readTrainerState(folder: string): Promise<TrainerState> {
  const file = path.join(folder, NAME);
  const json = await readJson(file);
  const format = (json as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format !== 1) {
    throw new CheckpointError(`${file}: format ${format} is not known to this version, which reads format 1`);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new CheckpointError(`${file}: ${issue.path.join(".") || "contents"}: ${issue.message}`);
}
