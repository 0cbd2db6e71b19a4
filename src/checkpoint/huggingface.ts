/** Model folders in the layout of Hugging Face: which files hold the weights, and how tensors there become parameters here and back. */
import { access } from "node:fs/promises";
import path from "node:path";
import { CheckpointError } from "./error.js";
import { readJson } from "./files.js";
import { elementCount, type HostTensor, hostTensor, readSafetensors, toFloat32 } from "./safetensors.js";

/** A tensor of Hugging Face and the part of a parameter here that holds the same numbers. */
export interface TensorRule {
  theirs: string;
  theirShape: number[];
  ours: string;
  ourShape: number[];
  /** First element of the part; elements of a parameter that no rule covers are 0. */
  start?: number;
  /** A file may lack the tensor: the parameter is then left out, or zero. */
  missing?: "absent" | "zero";
  /** The last two of its three axes stand the other way round here; such a tensor is a whole parameter. */
  swapped?: boolean;
}

/** Parameters by name, and what is worth telling about how they came about. */
export interface ImportedParameters {
  parameters: Map<string, HostTensor>;
  notes: string[];
}

/** Buffers that old files carry and that follow from the configuration. */
const BUFFERS = /(^|\.)(relative_position_index|num_batches_tracked|position_ids)$/;

/** The weight files of a model folder, in the two forms that Hugging Face writes: one file, or an index with its parts. */
export async function modelFiles(folder: string): Promise<string[]> {
  const single = path.join(folder, "model.safetensors");
  const hasSingle = await access(single).then(
    () => true,
    () => false,
  );
  if (hasSingle) return [single];
  const index = path.join(folder, "model.safetensors.index.json");
  const map = ((await readJson(index)) as { weight_map?: unknown } | null)?.weight_map;
  const parts = typeof map === "object" && map !== null ? [...new Set(Object.values(map))] : [];
  if (parts.length === 0) throw new CheckpointError(`${index}: weight_map is missing or empty`);
  return parts.map((part) => {
    // The index comes from strangers, and must not name files elsewhere.
    if (typeof part !== "string" || part !== path.basename(part) || part.startsWith(".")) {
      throw new CheckpointError(`${index}: ${JSON.stringify(part)} is no name of a file in this folder`);
    }
    return path.join(folder, part);
  });
}

/** All tensors of a model folder. */
export async function readModelTensors(folder: string): Promise<Map<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>();
  for (const file of await modelFiles(folder)) {
    for (const [name, tensor] of await readSafetensors(file)) {
      if (tensors.has(name)) throw new CheckpointError(`${file}: ${name} is in another part of the model as well`);
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

/** Tensors without the prefix that models with a head put before the names of their body. */
export function withoutPrefix(tensors: ReadonlyMap<string, HostTensor>, prefix: string, source: string): Map<string, HostTensor> {
  const result = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    const plain = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    if (result.has(plain)) throw new CheckpointError(`${source}: ${plain} is there with and without the prefix ${prefix}`);
    result.set(plain, tensor);
  }
  return result;
}

/**
 * Parameters from the tensors of a model, as float32. Buffers are left aside.
 *
 * @param source names the model in messages
 * @throws CheckpointError listing what is missing, what no rule knows, and what has another shape
 */
export function importTensors(tensors: ReadonlyMap<string, HostTensor>, rules: readonly TensorRule[], source: string): ImportedParameters {
  const missing: string[] = [];
  const misshaped: string[] = [];
  const notes: string[] = [];
  const parameters = new Map<string, HostTensor>();
  for (const { theirs, theirShape, ours, ourShape, start = 0, missing: ifMissing, swapped } of rules) {
    const tensor = tensors.get(theirs);
    if (tensor === undefined && ifMissing === undefined) missing.push(theirs);
    if (tensor === undefined && ifMissing === "zero") {
      parameters.set(ours, hostTensor(ourShape, new Float32Array(elementCount(ourShape))));
      notes.push(`${source}: there is no ${theirs}; it starts at zero`);
    }
    if (tensor === undefined) continue;
    if (tensor.shape.join() !== theirShape.join()) {
      misshaped.push(`${theirs}: expected [${theirShape.join(",")}], got [${tensor.shape.join(",")}]`);
      continue;
    }
    const data = toFloat32(tensor, theirs);
    if (data.length === elementCount(ourShape)) {
      parameters.set(ours, hostTensor(ourShape, swapped ? swapLastAxes(data, theirShape) : data));
      continue;
    }
    const whole = parameters.get(ours) ?? hostTensor(ourShape, new Float32Array(elementCount(ourShape)));
    toFloat32(whole).set(data, start);
    parameters.set(ours, whole);
  }
  const known = new Set(rules.map(({ theirs }) => theirs));
  const unexpected = [...tensors.keys()].filter((name) => !known.has(name) && !BUFFERS.test(name));
  const problems = [...summary("missing: ", missing), ...summary("unexpected: ", unexpected), ...summary("", misshaped)];
  if (problems.length > 0) {
    throw new CheckpointError([`${source}: the tensors are not those of the model in config.json`, ...problems].join("\n"));
  }
  return { parameters, notes };
}

/**
 * The tensors of a model from its parameters, as views of them where the order of the elements is the same.
 *
 * @throws CheckpointError when a parameter is missing, has another shape, is known to no rule, or isn't 0 where no rule covers it
 */
export function exportTensors(parameters: ReadonlyMap<string, HostTensor>, rules: readonly TensorRule[]): Map<string, HostTensor> {
  const result = new Map<string, HostTensor>();
  const covered = new Map<string, number>();
  for (const { theirs, theirShape, ours, ourShape, start = 0, missing, swapped } of rules) {
    const parameter = parameters.get(ours);
    if (parameter === undefined && missing !== undefined) continue;
    if (parameter === undefined) throw new CheckpointError(`the parameter ${ours} is missing`);
    if (parameter.shape.join() !== ourShape.join()) {
      throw new CheckpointError(`the parameter ${ours}: expected [${ourShape.join(",")}], got [${parameter.shape.join(",")}]`);
    }
    const data = toFloat32(parameter, ours);
    const end = start + elementCount(theirShape);
    expectZeros(data, covered.get(ours) ?? 0, start, ours);
    covered.set(ours, end);
    result.set(theirs, hostTensor(theirShape, swapped ? swapLastAxes(data, ourShape) : data.subarray(start, end)));
  }
  for (const [name, parameter] of parameters) {
    const end = covered.get(name);
    if (end === undefined) throw new CheckpointError(`the parameter ${name} has no place in the Hugging Face layout`);
    expectZeros(toFloat32(parameter, name), end, parameter.data.length, name);
  }
  return result;
}

/** The elements of an array of this shape with its last two axes exchanged. */
function swapLastAxes(data: Float32Array, [outer, rows, columns]: readonly number[]): Float32Array {
  const result = new Float32Array(data.length);
  for (let i = 0; i < outer; i++) {
    const at = i * rows * columns;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) result[at + column * rows + row] = data[at + row * columns + column];
    }
  }
  return result;
}

function expectZeros(data: Float32Array, start: number, end: number, name: string): void {
  for (let at = start; at < end; at++) {
    if (data[at] !== 0)
      throw new CheckpointError(`the parameter ${name}: element ${at} is ${data[at]}, which the Hugging Face layout can't hold`);
  }
}

function summary(label: string, lines: string[]): string[] {
  const shown = lines.slice(0, 8).map((line) => `  ${label}${line}`);
  return lines.length > shown.length ? [...shown, `  ${label}… and ${lines.length - shown.length} more`] : shown;
}
