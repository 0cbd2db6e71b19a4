/**
 * Reads and writes safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes.
 * Files come from strangers, so every length, offset and shape is checked before it is used.
 */
import { type FileHandle, open } from "node:fs/promises";
import { CheckpointError, fileError } from "./error.js";
import { readExactly, writeAll, writeAtomically } from "./files.js";
import { duplicateKey } from "./json-keys.js";

/** Element types of the format and the array that holds each; 16-bit floats and 8-bit floats stay raw bits. */
const ARRAYS = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  F8_E4M3: Uint8Array,
  F8_E5M2: Uint8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
} as const;

/** The name of an element type. */
export type DType = keyof typeof ARRAYS;

/** The array that holds a tensor's elements. */
export type TensorData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** A tensor in host memory, row-major. */
export interface HostTensor {
  dtype: DType;
  shape: number[];
  data: TensorData;
}

/** A tensor whose elements are fetched only while they are written, so that a model need not fit into host memory twice. */
export interface LazyTensor {
  dtype: DType;
  shape: number[];
  read(): Promise<TensorData>;
}

/** Where a tensor lies in a file. */
export interface TensorInfo {
  dtype: DType;
  shape: number[];
  /** Offset from the start of the file, in bytes. */
  offset: number;
  byteLength: number;
}

/** What a file says about itself. */
export interface SafetensorsHeader {
  tensors: Map<string, TensorInfo>;
  metadata: Record<string, string>;
  /** Size of the file in bytes. */
  fileSize: number;
}

/** The reference implementation's limit. */
const MAX_HEADER = 100_000_000;

/** A float32 tensor from numbers; the usual way to make one. */
export function hostTensor(shape: number[], data: Float32Array): HostTensor {
  return { dtype: "F32", shape, data };
}

/** The number of elements of a shape (1 for a scalar). */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Reads names, types, shapes and offsets without the tensors' bytes.
 *
 * @throws CheckpointError naming the file, the tensor and what is wrong
 */
export async function readSafetensorsHeader(file: string): Promise<SafetensorsHeader> {
  return withFile(file, (handle) => parseFile(handle, file));
}

/**
 * Reads the tensors of a file, all or those in `names`, in the order in which they lie in the file.
 *
 * @throws CheckpointError naming the file, the tensor and what is wrong; also when one of `names` isn't there
 */
export async function readSafetensors(file: string, options: { names?: Iterable<string> } = {}): Promise<Map<string, HostTensor>> {
  return withFile(file, async (handle) => {
    const { tensors } = await parseFile(handle, file);
    const wanted = options.names && new Set(options.names);
    for (const name of wanted ?? []) {
      if (!tensors.has(name)) throw new CheckpointError(`${file}: there is no tensor ${quote(name)}`);
    }
    const result = new Map<string, HostTensor>();
    for (const [name, { dtype, shape, offset, byteLength }] of tensors) {
      if (wanted && !wanted.has(name)) continue;
      let buffer: ArrayBuffer;
      try {
        buffer = new ArrayBuffer(byteLength);
      } catch (error) {
        throw new CheckpointError(`${file}: ${quote(name)}: no memory for ${byteLength} bytes`, { cause: error });
      }
      await readExactly(handle, new Uint8Array(buffer), offset, file);
      result.set(name, { dtype, shape, data: new ARRAYS[dtype](buffer) });
    }
    return result;
  });
}

/**
 * Writes tensors to a file, atomically. They keep their order, except that wider elements come first, which keeps every tensor aligned
 * for readers that map the file. `metadata` defaults to what Hugging Face loaders ask for.
 *
 * @throws CheckpointError when a tensor contradicts its shape, or the file can't be written (what was there before stays)
 */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, HostTensor | LazyTensor>,
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): Promise<void> {
  const width = (dtype: DType) => ARRAYS[dtype].BYTES_PER_ELEMENT;
  const ordered = [...tensors].sort(([, a], [, b]) => width(b.dtype) - width(a.dtype));
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  let end = 0;
  for (const [name, { dtype, shape }] of ordered) {
    if (name === "__metadata__") throw new CheckpointError(`${file}: "__metadata__" can't be the name of a tensor`);
    const begin = end;
    end += elementCount(shape) * width(dtype);
    header.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const json = new TextEncoder().encode(`{${header.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`);
  const head = new Uint8Array(8 + Math.ceil(json.byteLength / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.byteLength - 8), true);
  head.set(json, 8);

  const write = async (handle: FileHandle) => {
    await writeAll(handle, head);
    for (const [name, tensor] of ordered) {
      const data = "read" in tensor ? await tensor.read() : tensor.data;
      if (!(data instanceof ARRAYS[tensor.dtype]) || data.length !== elementCount(tensor.shape)) {
        const shape = `[${tensor.shape.join(",")}]`;
        throw new CheckpointError(
          `${file}: ${quote(name)}: expected ${tensor.dtype} ${shape}, got ${data.length} elements of ${data.constructor.name}`,
        );
      }
      await writeAll(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  };
  await writeAtomically(file, write, head.byteLength + end);
}

/**
 * A tensor's elements as float32: F32 as it is, F16, BF16 and F64 converted.
 *
 * @throws CheckpointError for other element types
 */
export function toFloat32(tensor: HostTensor, name = "tensor"): Float32Array {
  const { data, dtype } = tensor;
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (data instanceof Uint16Array && dtype === "BF16") {
    return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
  }
  if (data instanceof Uint16Array && dtype === "F16") return Float32Array.from(data, fromHalf);
  throw new CheckpointError(`${name}: expected a floating-point tensor, got ${dtype}`);
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

async function withFile<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, "r");
    return await use(handle);
  } catch (error) {
    throw fileError(file, error);
  } finally {
    await handle?.close();
  }
}

async function parseFile(handle: FileHandle, file: string): Promise<SafetensorsHeader> {
  const status = await handle.stat();
  if (!status.isFile()) throw new CheckpointError(`${file}: not a regular file`);
  const fileSize = status.size;
  if (fileSize < 8) throw new CheckpointError(`${file}: truncated: ${fileSize} bytes, a safetensors file has at least 8`);
  const prefix = new Uint8Array(8);
  await readExactly(handle, prefix, 0, file);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > MAX_HEADER)
    throw new CheckpointError(`${file}: header too large: ${length} bytes, at most ${MAX_HEADER}; is this a safetensors file?`);
  const headerLength = Number(length);
  if (8 + headerLength > fileSize) {
    throw new CheckpointError(
      `${file}: truncated: the header should have ${headerLength} bytes, the file has ${fileSize - 8} after its first 8`,
    );
  }
  const bytes = new Uint8Array(headerLength);
  await readExactly(handle, bytes, 8, file);
  return { ...parseHeader(bytes, 8 + headerLength, fileSize, file), fileSize };
}

function parseHeader(bytes: Uint8Array, dataStart: number, fileSize: number, file: string): Omit<SafetensorsHeader, "fileSize"> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new CheckpointError(`${file}: the header is not UTF-8`, { cause: error });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${file}: the header is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isRecord(json)) throw new CheckpointError(`${file}: the header is not a JSON object`);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new CheckpointError(`${file}: the header holds ${quote(twice)} twice`);

  const metadata: Record<string, string> = {};
  const tensors: [string, TensorInfo][] = [];
  for (const [name, entry] of Object.entries(json)) {
    if (name !== "__metadata__") {
      tensors.push([name, parseEntry(entry, dataStart, fileSize, `${file}: ${quote(name)}`)]);
      continue;
    }
    if (!isRecord(entry)) throw new CheckpointError(`${file}: __metadata__ is not a JSON object`);
    for (const [key, value] of Object.entries(entry)) {
      if (typeof value !== "string") throw new CheckpointError(`${file}: __metadata__: ${quote(key)} is not a string`);
      Object.defineProperty(metadata, key, { value, enumerable: true, configurable: true, writable: true });
    }
  }

  tensors.sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = dataStart;
  let before = "the header";
  for (const [name, { offset, byteLength }] of tensors) {
    if (offset < end) throw new CheckpointError(`${file}: ${quote(name)} and ${before} overlap`);
    if (offset > end) throw new CheckpointError(`${file}: ${offset - end} bytes between ${before} and ${quote(name)} belong to no tensor`);
    end = offset + byteLength;
    before = quote(name);
  }
  if (end < fileSize) throw new CheckpointError(`${file}: ${fileSize - end} bytes after ${before} belong to no tensor`);
  return { tensors: new Map(tensors), metadata };
}

function parseEntry(entry: unknown, dataStart: number, fileSize: number, label: string): TensorInfo {
  if (!isRecord(entry)) throw new CheckpointError(`${label}: its entry is not a JSON object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !isDType(dtype)) {
    throw new CheckpointError(`${label}: unknown dtype ${short(dtype)}, known are ${Object.keys(ARRAYS).join(", ")}`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new CheckpointError(`${label}: the shape is ${short(shape)}, expected a list of sizes`);
  }
  const byteLength = elementCount(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(byteLength)) throw new CheckpointError(`${label}: shape ${short(shape)} is too large`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    throw new CheckpointError(`${label}: data_offsets are ${short(offsets)}, expected [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== byteLength) {
    throw new CheckpointError(`${label}: ${dtype} ${short(shape)} takes ${byteLength} bytes, data_offsets give it ${end - begin}`);
  }
  if (dataStart + end > fileSize) {
    throw new CheckpointError(`${label}: truncated: it ends at byte ${dataStart + end}, the file has ${fileSize}`);
  }
  return { dtype, shape, offset: dataStart + begin, byteLength };
}

function isDType(name: string): name is DType {
  return Object.hasOwn(ARRAYS, name);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function quote(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
