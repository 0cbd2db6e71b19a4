/** Opens an engine by name, or the best one that is there. */
import type { Backend, EngineName } from "./backend.js";
import { createCpuBackend } from "./cpu.js";
import { createCudaBackend, PRECISIONS, type Precision } from "./cuda.js";
import { automatic, engines } from "./doctor.js";
import { writingProfile } from "./profile.js";
import { createReferenceBackend } from "./reference/index.js";
import { createWasmBackend } from "./wasm.js";

/** What a user may ask for: an engine, one of several CUDA devices, or the first available of cpu and wasm. */
export type EngineChoice = "auto" | EngineName | `cuda:${number}`;

export interface OpenOptions {
  /** Threads that compute, the caller included; one per core unless given. */
  threads?: number;
  /** Bytes that may be allocated on the engine's heap; the engine's own limit unless given. */
  memoryLimit?: number;
  /** What is rounded, see {@link Precision}; anything but `f32` (the default) is of the CUDA engine alone. */
  precision?: Precision;
}

const CHOICES = "auto, cuda, cuda:1 (and so on), cpu, wasm, reference";

/** Whether a text names an engine, "auto", or a CUDA device. */
export function isEngineChoice(text: string): text is EngineChoice {
  return /^(auto|cuda(:\d{1,3})?|cpu|wasm|reference)$/.test(text);
}

/**
 * Opens an engine. Never falls back: an engine that isn't there is an error that says what is missing and how to get it. With
 * `DATA2VEC_DEBUG=2` in the environment the engines of the host say on stderr, when they are closed, where their time went.
 *
 * @throws RangeError for an unknown name, or options out of range
 */
export async function openBackend(choice: EngineChoice = "auto", options: OpenOptions = {}): Promise<Backend> {
  if (!isEngineChoice(choice)) throw new RangeError(`engine: expected one of ${CHOICES}, got "${choice}"`);
  expectWhole("threads", options.threads);
  expectWhole("memoryLimit", options.memoryLimit);
  const { precision = "f32", memoryLimit } = options;
  if (!PRECISIONS.includes(precision)) throw new RangeError(`precision: expected one of ${PRECISIONS.join(", ")}, got "${precision}"`);

  const status = await engines();
  const [family, device = "0"] = choice.split(":");
  const wanted = choice === "auto" ? automatic(status) : status.filter(({ name }) => name === family);
  const engine = wanted.find(({ available }) => available);
  if (engine === undefined) {
    const others = status.filter(({ available }) => available).map(({ name }) => name);
    const missing = wanted.map(({ name, reason }) => `engine: ${name} is not available: ${reason}`);
    throw new Error([...missing, `available here: ${others.join(", ")}`].join("\n"));
  }
  if (engine.name === "cuda") return createCudaBackend({ device: Number(device), memoryLimit, precision });
  if (precision !== "f32") throw new RangeError(`precision: ${precision} is of the engine cuda; ${engine.name} computes in f32`);
  const backend = await openOnHost(engine.name, options);
  return process.env.DATA2VEC_DEBUG === "2" ? writingProfile(backend) : backend;
}

async function openOnHost(name: EngineName, options: OpenOptions): Promise<Backend> {
  if (name === "cpu") return createCpuBackend(options);
  return name === "wasm" ? createWasmBackend(options) : createReferenceBackend(options);
}

function expectWhole(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
    throw new RangeError(`${name}: expected a whole number of at least 1, got ${value}`);
  }
}
