import type { Kernels, Pointer } from "./kernels.js";

/** The name of an engine. */
export type EngineName = "cuda" | "cpu" | "wasm" | "reference";

/**
 * One engine: a heap, the kernels that work on it, and nothing else. Engines differ in speed and rounding, never in meaning.
 */
export interface Backend {
  readonly name: EngineName;
  /** What the engine found, for people: "WASM SIMD128 + relaxed SIMD, 2 threads". */
  readonly description: string;
  /** Threads that compute, the caller included. */
  readonly threads: number;
  readonly heap: Heap;
  /** Every kernel, on activations in float32. */
  readonly kernels: Kernels;
  /**
   * The same on activations in bfloat16, where the engine was opened for these: what `include/kernels.h` has for activations then takes two
   * bytes, and products read the parameters' mirror. Parameters, their gradients, targets, statistics and losses stay float32.
   */
  readonly bf16Kernels?: Kernels;
  /**
   * Turns a step into one that may be replayed (a CUDA graph); CPU engines return `run` itself. `keyOf` names all that decides which work
   * `run` issues; for a key that came before, `run` need not be called.
   */
  capture<A extends unknown[]>(run: (...args: A) => void, keyOf: (...args: A) => string): (...args: A) => void;
  /** Resolves when all work issued so far is done. */
  synchronize(): Promise<void>;
  /** Ends worker threads and frees the heap; the backend must not be used afterwards. */
  close(): void;
}

/** Device memory: an address is a byte offset, never 0, and never moves once allocated. */
export interface Heap {
  /** Bytes that may be allocated in all. */
  readonly limit: number;
  /** Bytes allocated now, and the most there ever were. */
  readonly used: number;
  readonly peak: number;
  /**
   * A range of `bytes`, 64-byte aligned, contents undefined. Throws {@link OutOfMemoryError} naming `label`.
   * @param parameters whether products will read it as weights: an engine with `bf16Kernels` keeps a mirror of it in bfloat16
   */
  allocate(bytes: number, label: string, parameters?: boolean): Pointer;
  free(pointer: Pointer): void;
  /** Copies host bytes to the device; the source may be reused as soon as it returns. */
  upload(pointer: Pointer, bytes: Uint8Array): void;
  /** A copy of device memory, after all work issued so far. */
  download(pointer: Pointer, byteLength: number): Promise<ArrayBuffer>;
}

/** The heap has no room for what was asked. */
export class OutOfMemoryError extends Error {
  override readonly name = "OutOfMemoryError";
  constructor(
    readonly label: string,
    readonly requested: number,
    readonly used: number,
    readonly limit: number,
    /** Bytes that a device has left, where others use it too. */
    readonly unused?: number,
  ) {
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    super(
      `out of memory: ${label} needs ${mib(requested)}, ${mib(used)} of ${mib(limit)} are in use` +
        `${unused === undefined ? "" : `, and the device has ${mib(unused)} left`}\n` +
        "lower train.batchSize (train.accumulate keeps the effective size), choose a smaller preset, or raise the memory limit",
    );
  }
}
