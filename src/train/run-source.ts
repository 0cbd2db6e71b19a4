/** `run.json` of a run folder: what a run was started with beside its configuration, so that it can go on without being told again. */
import path from "node:path";
import { z } from "zod";
import { CheckpointError } from "../checkpoint/error.js";
import { readJson, writeText } from "../checkpoint/files.js";

const schema = z.object({
  /** Kind of data: "vision". */
  modality: z.string(),
  /** Fine-tuning: what is learned; null in pretraining. */
  task: z.enum(["classify", "regress", "ctc"]).nullable(),
  /** Where the training data is. */
  data: z.string(),
  /** Fine-tuning: the pretrained model; null from scratch. */
  model: z.string().nullable(),
  /** Fine-tuning: weights were drawn anew all the same. */
  freshWeights: z.boolean().default(false),
  /** Fine-tuning: number of labels to train with; null is all. */
  labels: z.int().nullable(),
  /** Fine-tuning: part of the training data to judge by; null is the test split. */
  holdOut: z.number().nullable(),
});

/** Contents of `run.json`; paths are absolute. */
export type RunSource = z.output<typeof schema>;

/**
 * Reads `run.json`.
 *
 * @throws CheckpointError when there is none, or it holds something else
 */
export async function readRunSource(folder: string): Promise<RunSource> {
  const file = path.join(folder, "run.json");
  const result = schema.safeParse(await readJson(file));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new CheckpointError(`${file}: ${issue.path.join(".") || "contents"}: ${issue.message}`);
}

/** Writes `run.json`; paths may be relative to the working folder. */
export async function writeRunSource(folder: string, source: z.input<typeof schema>): Promise<void> {
  const absolute = { ...source, data: path.resolve(source.data), model: source.model === null ? null : path.resolve(source.model) };
  await writeText(path.join(folder, "run.json"), `${JSON.stringify(absolute, null, 2)}\n`);
}
