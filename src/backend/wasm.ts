import { availableParallelism } from "node:os";
import type { Backend, Heap } from "./backend.js";
import { RangeAllocator } from "./heap.js";
import type { Kernels, Pointer } from "./kernels.js";
import { loadWasmModule } from "./wasm-module.js";
import { startWorkers, workerStackBytes } from "./wasm-pool.js";

const PAGE = 65_536;
const ADDRESS_SPACE = 2 ** 32;
const INITIAL_PAGES = 64;
const GROWTH_PAGES = 256;
const MAX_THREADS = 256;

export interface WasmOptions {
  /** Threads that compute, the caller included; default one per core. Results don't depend on it. */
  threads?: number;
  /** Bytes that tensors and scratch may take in all; default (and most) what 4 GiB of address space leave. */
  memoryLimit?: number;
  /** false: the plain SIMD128 build even where relaxed SIMD is there. */
  relaxedSimd?: boolean;
}

interface EngineExports {
  __heap_base: WebAssembly.Global;
  __stack_pointer: WebAssembly.Global;
  start_workers(threads: number): void;
  multiply_adds(tasks: number): number;
  stop_workers(): void;
}

export interface WasmBackend extends Backend {
  /** Runs `tasks` loops of multiply-adds on registers over all threads; returns the floating-point operations done: the peak, when timed. */
  multiplyAdds(tasks: number): number;
}

/** The engine that is always there: C kernels on WASM SIMD over one shared memory, and a pool of worker threads. */
export function createWasmBackend(options: WasmOptions = {}): WasmBackend {
  const { threads = Math.min(availableParallelism(), MAX_THREADS) } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new RangeError(`wasm: threads: expected an integer in [1, ${MAX_THREADS}], got ${threads}`);
  }
  const { module, relaxedSimd } = loadWasmModule(options.relaxedSimd);
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: ADDRESS_SPACE / PAGE, shared: true });

  let workspace: Pointer = 0;
  const growWorkspace = (bytes: number): Pointer => {
    try {
      if (workspace !== 0) heap.free(workspace);
      workspace = 0;
      workspace = heap.allocate(bytes >>> 0, "workspace");
      return workspace;
    } catch (error) {
      engine.__stack_pointer.value = stackTop; // the frames of the kernel are skipped by the throw
      throw error;
    }
  };
  const instance = new WebAssembly.Instance(module, { env: { memory, grow_workspace: growWorkspace } });
  const engine = instance.exports as unknown as EngineExports;
  const stackTop = engine.__stack_pointer.value as number;
  const stackBase = engine.__heap_base.value as number;
  const heap = new WasmHeap(memory, stackBase + (threads - 1) * workerStackBytes, options.memoryLimit);
  const workers = startWorkers(module, memory, stackBase, threads);
  engine.start_workers(threads);

  return {
    name: "wasm",
    description: `WASM SIMD128${relaxedSimd ? " + relaxed SIMD" : ""}, ${threads} thread${threads === 1 ? "" : "s"}`,
    threads,
    heap,
    kernels: kernelsOf(instance.exports),
    capture: (run) => run,
    synchronize: () => Promise.resolve(),
    multiplyAdds: (tasks) => tasks * engine.multiply_adds(tasks),
    close: () => {
      engine.stop_workers();
      for (const worker of workers) void worker.terminate();
    },
  };
}

class WasmHeap implements Heap {
  readonly #memory: WebAssembly.Memory;
  readonly #ranges: RangeAllocator;

  constructor(memory: WebAssembly.Memory, start: number, limit = ADDRESS_SPACE - PAGE - start) {
    if (!(limit > 0)) throw new RangeError(`wasm: memoryLimit: expected a positive number of bytes, got ${limit}`);
    this.#memory = memory;
    this.#ranges = new RangeAllocator(start, Math.min(limit, ADDRESS_SPACE - PAGE - start), (end) => this.#grow(end));
  }

  get limit(): number {
    return this.#ranges.limit;
  }
  get used(): number {
    return this.#ranges.used;
  }
  get peak(): number {
    return this.#ranges.peak;
  }

  allocate(bytes: number, label: string): Pointer {
    return this.#ranges.allocate(bytes, label);
  }

  free(pointer: Pointer): void {
    this.#ranges.free(pointer);
  }

  upload(pointer: Pointer, bytes: Uint8Array): void {
    this.#bytes(pointer, bytes.byteLength).set(bytes);
  }

  async download(pointer: Pointer, byteLength: number): Promise<ArrayBuffer> {
    const copy = new Uint8Array(byteLength);
    copy.set(this.#bytes(pointer, byteLength));
    return copy.buffer;
  }

  /** A view made anew each time: growth leaves older ones short. */
  #bytes(pointer: Pointer, byteLength: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, pointer, byteLength);
  }

  /** Makes addresses up to `end` usable, in large steps while the address space lasts. */
  #grow(end: number): boolean {
    const pages = this.#memory.buffer.byteLength / PAGE;
    const missing = Math.ceil(end / PAGE) - pages;
    if (missing <= 0) return true;
    const room = ADDRESS_SPACE / PAGE - pages;
    if (missing > room) return false;
    try {
      this.#memory.grow(Math.min(room, Math.max(missing, GROWTH_PAGES)));
      return true;
    } catch {
      return false;
    }
  }
}

/** The exported functions under their TypeScript names. */
function kernelsOf(exports: WebAssembly.Exports): Kernels {
  const functions = Object.entries(exports).filter(([, value]) => typeof value === "function");
  return Object.fromEntries(functions.map(([name, value]) => [camelCase(name), value])) as unknown as Kernels;
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
