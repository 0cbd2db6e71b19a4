import type { PreparedBatch } from "../modalities/prepared-batch.js";
import type { Task } from "../tasks/task.js";
import { backward } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { TrainingError } from "./errors.js";

const NAMES_SHOWN = 8;

/** A step whose loss or gradient isn't finite. */
export interface BadStep<I> {
  step: number;
  /** What isn't finite: "loss", "gradient". */
  what: string;
  value: number;
  batches: readonly PreparedBatch<I>[];
  /** Sets the random state of a micro-batch as the step did. */
  prepare: (pass: number) => void;
}

/** Runs a bad step again and finds the first tensor with a value that isn't finite; returns the error to throw. */
export async function diagnose<I>(task: Task<I>, { step, what, value, batches, prepare }: BadStep<I>): Promise<TrainingError> {
  const bad = (await firstBadParameter(task)) ?? (await firstBadTensor(task, batches, prepare));
  const names = batches.flatMap((batch) => batch.names);
  const shown = names.slice(0, NAMES_SHOWN).join(", ") + (names.length > NAMES_SHOWN ? `, ... (${names.length} in all)` : "");
  return new TrainingError(
    `step ${step}: the ${what} is ${value}; the first tensor that went bad: ${bad ?? "none when the step was run again"}\n` +
      `samples of the batch: ${shown}\n` +
      "nothing of this step was saved and the last checkpoint is good: lower train.learningRate, lengthen train.warmupSteps, " +
      "set train.clipNorm, or look at those samples",
  );
}

async function firstBadParameter<I>({ store }: Task<I>): Promise<string | null> {
  const values = await store.values.read();
  const bad = store.entries.find(({ offset, parameter }) => hasBadValue(values.subarray(offset, offset + parameter.count)));
  return bad === undefined ? null : `parameter ${bad.name}`;
}

async function firstBadTensor<I>(
  task: Task<I>,
  batches: readonly PreparedBatch<I>[],
  prepare: (pass: number) => void,
): Promise<string | null> {
  const { device } = task;
  for (const [pass, batch] of batches.entries()) {
    const made: Tensor[] = [];
    prepare(pass);
    const bad = await device.scoped(async () => {
      device.observe(
        (tensor) => made.push(tensor),
        () => backward(task.loss(batch.upload(device))),
      );
      for (const tensor of made) {
        if (tensor.ended || tensor.dtype !== "f32") continue;
        if (hasBadValue((await tensor.read()) as Float32Array)) return tensor.label;
      }
      return null;
    });
    if (bad !== null) return bad;
  }
  return null;
}

function hasBadValue(values: Float32Array): boolean {
  return !values.every(Number.isFinite);
}
