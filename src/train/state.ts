import path from "node:path";
import { CheckpointError } from "../checkpoint/error.js";
import { readParameters, writeParameters } from "../checkpoint/parameters.js";
import { type HostTensor, readSafetensors, writeSafetensors } from "../checkpoint/safetensors.js";
import type { TrainerState } from "../checkpoint/trainer-state.js";
import { configChanges } from "../config/resolve.js";
import type { AdamW } from "./optimizer.js";

/** The files beside a model that a run needs to go on. */
const OPTIMIZER = "optimizer.safetensors";
const TEACHER = "teacher.safetensors";
const HEAD = "head.safetensors";

/** Prefix of the regression head's parameters in the store of pretraining. */
const HEAD_PREFIX = "head.";

/** Keys that may differ when a run goes on: they don't touch the result. */
const FREE_KEYS = ["train.saveEvery", "train.logEvery", "data.workers"];

/** Writes the moments of an optimizer. */
export async function saveOptimizer(folder: string, { store, m, v }: AdamW): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  for (const [prefix, flat] of [
    ["m.", m],
    ["v.", v],
  ] as const) {
    for (const [name, tensor] of await readParameters(store, flat)) tensors.set(prefix + name, tensor);
  }
  await writeSafetensors(path.join(folder, OPTIMIZER), tensors);
}

/** Reads the moments of an optimizer. */
export async function loadOptimizer(folder: string, { store, m, v }: AdamW): Promise<void> {
  const tensors = await readSafetensors(path.join(folder, OPTIMIZER));
  writeParameters(store, withPrefix(tensors, "m."), m);
  writeParameters(store, withPrefix(tensors, "v."), v);
}

/** Writes what only pretraining has: teacher and regression head. */
export async function savePretrainingParts(
  folder: string,
  teacher: Map<string, HostTensor>,
  student: Map<string, HostTensor>,
): Promise<void> {
  await writeSafetensors(path.join(folder, TEACHER), teacher);
  await writeSafetensors(path.join(folder, HEAD), withPrefix(student, HEAD_PREFIX));
}

/** Reads them back; the head under the names it has in the student's store. */
export async function loadPretrainingParts(folder: string): Promise<{ teacher: Map<string, HostTensor>; head: Map<string, HostTensor> }> {
  const head = await readSafetensors(path.join(folder, HEAD));
  return {
    teacher: await readSafetensors(path.join(folder, TEACHER)),
    head: new Map([...head].map(([name, tensor]) => [HEAD_PREFIX + name, tensor])),
  };
}

/** The parameters that belong to the model itself, without the regression head. */
export function withoutHead(student: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
  return new Map([...student].filter(([name]) => !name.startsWith(HEAD_PREFIX)));
}

/** Throws unless a run may go on with this configuration: only keys that don't touch the result may differ. */
export function expectSameConfig({ config }: TrainerState, now: object): void {
  const changes = configChanges(config, now).filter((change) => !FREE_KEYS.some((key) => change.startsWith(`${key}:`)));
  if (changes.length === 0) return;
  throw new CheckpointError(
    `the run can't go on with another configuration: ${changes.join("; ")}\nleave them out, or start a new run in another folder`,
  );
}

/** Throws unless a run goes on with the data it began with, as far as they have been described. */
export function expectSameData({ data }: TrainerState, now: object): void {
  const changes = configChanges(data, now);
  if (changes.length === 0) return;
  throw new CheckpointError(
    `the run can't go on with other data: ${changes.join("; ")}\ngive the same data and labels as before, or start a new run in another folder`,
  );
}

function withPrefix(tensors: ReadonlyMap<string, HostTensor>, prefix: string): Map<string, HostTensor> {
  return new Map([...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}
