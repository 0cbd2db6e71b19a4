/** Opens an engine by name, or the best one that is there. */
import type { Backend, EngineName } from "./backend.js";
import { createCpuBackend } from "./cpu.js";
import { engines } from "./doctor.js";
import { writingProfile } from "./profile.js";
import { createReferenceBackend } from "./reference/index.js";
import { createWasmBackend } from "./wasm.js";

/** What a user may ask for: an engine, or the first available of cuda, cpu and wasm. */
export type EngineChoice = "auto" | EngineName;

export interface OpenOptions {
  /** Threads that compute, the caller included; one per core unless given. */
  threads?: number;
  /** Bytes that may be allocated on the engine's heap; the engine's own limit unless given. */
  memoryLimit?: number;
}

const CHOICES: readonly string[] = ["auto", "cuda", "cpu", "wasm", "reference"];

/**
 * Opens an engine. With `DATA2VEC_DEBUG=2` in the environment it says on stderr where its time went, when it is closed. Never falls back: an engine that isn't there is an error that says what is missing and how to get it.
 * @throws RangeError for an unknown name, or options out of range
 */
export async function openBackend(choice: EngineChoice = "auto", options: OpenOptions = {}): Promise<Backend> {
  if (!CHOICES.includes(choice)) throw new RangeError(`engine: expected one of ${CHOICES.join(", ")}, got "${choice}"`);
  expectWhole("threads", options.threads);
  expectWhole("memoryLimit", options.memoryLimit);

  const status = await engines();
  const wanted = status.filter(({ name }) => (choice === "auto" ? name !== "reference" : name === choice));
  const engine = wanted.find(({ available }) => available);
  if (engine === undefined) {
    const others = status.filter(({ available }) => available).map(({ name }) => name);
    const missing = wanted.map(({ name, reason }) => `engine: ${name} is not available: ${reason}`);
    throw new Error([...missing, `available here: ${others.join(", ")}`].join("\n"));
  }
  const backend = await open(engine.name, options);
  return process.env.DATA2VEC_DEBUG === "2" ? writingProfile(backend) : backend;
}

async function open(name: EngineName, options: OpenOptions): Promise<Backend> {
  if (name === "cpu") return createCpuBackend(options);
  return name === "wasm" ? createWasmBackend(options) : createReferenceBackend(options);
}

function expectWhole(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
    throw new RangeError(`${name}: expected a whole number of at least 1, got ${value}`);
  }
}
