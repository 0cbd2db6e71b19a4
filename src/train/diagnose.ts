import type { PreparedBatch } from "../modalities/prepared-batch.js";
import type { Task } from "../tasks/task.js";
import { backward } from "../tensor/tape.js";
import type { Float, Tensor } from "../tensor/tensor.js";
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
  const bad = (await firstBadParameter(task)) ?? (await firstBadTensor(task, batches, prepare).catch(unknown));
  const names = batches.flatMap((batch) => batch.names);
  const shown = names.slice(0, NAMES_SHOWN).join(", ") + (names.length > NAMES_SHOWN ? `, ... (${names.length} in all)` : "");
  return new TrainingError(
    `step ${step}: the ${what} is ${value}; the first tensor that went bad: ${bad ?? "none when the step was run again"}\n` +
      `samples of the batch: ${shown}\n` +
      "nothing of this step was saved and the last checkpoint is good: lower train.learningRate, lengthen train.warmupSteps, " +
      "set train.clipNorm, or look at those samples",
  );
}

/** All tensors of a step are kept to be looked at, so memory may run out where the step itself had enough. */
function unknown(error: unknown): string {
  return `not found (${error instanceof Error ? error.message.split("\n")[0] : error})`;
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
  for (const [pass, batch] of batches.entries()) {
    prepare(pass);
    const bad = await firstBadIn(task, batch);
    if (bad !== null) return bad;
  }
  return null;
}

/**
 * The first bad tensor of one pass. A tensor counts at the moment when the next one is made: it is complete then, unless it is a sum that
 * later ones are added to, which would hide the one that spoiled it.
 */
async function firstBadIn<I>(task: Task<I>, batch: PreparedBatch<I>): Promise<string | null> {
  const { device } = task;
  const made: { tensor: Tensor<Float>; norm: Tensor<"f32"> }[] = [];
  const measure = () => {
    const last = made.at(-1);
    if (last !== undefined) last.tensor.kernels.squaredNorm(last.norm.ptr, last.tensor.ptr, last.tensor.count);
  };
  const observe = (tensor: Tensor) => {
    if (tensor.dtype !== "f32" && tensor.dtype !== "bf16") return;
    measure();
    // Parts that stay unwritten must not look bad.
    tensor.kernels.fill(tensor.ptr, tensor.count, 0);
    made.push({ tensor: tensor as Tensor<Float>, norm: device.state([1], "norm") });
  };
  try {
    return await device.scoped(async () => {
      device.observe(observe, () => backward(task.loss(batch.upload(device))));
      measure();
      const suspects: Tensor<Float>[] = [];
      const others: Tensor<Float>[] = [];
      for (const { tensor, norm } of made) (hasBadValue(await norm.read()) ? suspects : others).push(tensor);
      // The square of a large number overflows before the number does, so the values decide.
      for (const tensor of [...suspects, ...others]) if (hasBadValue(await tensor.read())) return tensor.label;
      return null;
    });
  } finally {
    for (const { norm } of made) device.release(norm);
  }
}

function hasBadValue(values: Float32Array): boolean {
  return !values.every((value) => Number.isFinite(value));
}
