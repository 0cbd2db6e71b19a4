import { availableParallelism, totalmem } from "node:os";
import type { Backend } from "./backend.js";
import { NativeHeap, RangeAllocator } from "./heap.js";
import type { Pointer } from "./kernels.js";
import { loadNative, type NativeAddon } from "./native.js";

const MAX_THREADS = 1024;
/** Addresses reserved per byte of the limit: freed ranges may lie where the next tensor doesn't fit. */
const RESERVE_FACTOR = 2;
const RESERVE_LEAST = 2 ** 30;

export interface CpuOptions {
  /** Threads that compute, the caller included; default one per core. Results don't depend on it. */
  threads?: number;
  /** Bytes that tensors and scratch may take in all; default the memory of the machine, or what the process may use of it. */
  memoryLimit?: number;
  /** One of the addon's `cpuInstructionSets()`; default the best. Results differ between them by rounding. */
  instructionSet?: string;
}

export interface CpuBackend extends Backend {
  /** Runs `tasks` loops of multiply-adds on registers over all threads; returns the floating-point operations done: the peak, when timed. */
  multiplyAdds(tasks: number): number;
}

/**
 * The native CPU engine: the C kernels compiled for this machine's instruction set, on threads of their own.
 * @throws Error when the addon isn't built or doesn't work here, or the machine doesn't have the instruction set
 */
export async function createCpuBackend(options: CpuOptions = {}): Promise<CpuBackend> {
  return openCpuBackend(await loadNative(), options);
}

/** The same with an addon that is loaded already. */
export function openCpuBackend(addon: NativeAddon, options: CpuOptions = {}): CpuBackend {
  const { threads = availableParallelism(), memoryLimit = usableMemory() } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new RangeError(`cpu: threads: expected an integer in [1, ${MAX_THREADS}], got ${threads}`);
  }
  if (!(memoryLimit > 0)) throw new RangeError(`cpu: memoryLimit: expected a positive number of bytes, got ${memoryLimit}`);
  const { instructionSet = addon.cpuInstructionSets()[0] } = options;

  let workspace: Pointer = 0;
  const growWorkspace = (bytes: number): Pointer => {
    if (workspace !== 0) heap.free(workspace);
    workspace = 0;
    workspace = heap.allocate(bytes, "workspace");
    return workspace;
  };
  const engine = addon.openCpu(instructionSet, threads, Math.max(RESERVE_LEAST, RESERVE_FACTOR * memoryLimit), growWorkspace);
  const heap = new NativeHeap(new RangeAllocator(0, memoryLimit, engine.commit), engine);
  return {
    name: "cpu",
    description: `native ${instructionSet}, ${threads} thread${threads === 1 ? "" : "s"}`,
    threads,
    heap,
    kernels: engine.kernels,
    capture: (run) => run,
    synchronize: () => Promise.resolve(),
    multiplyAdds: engine.multiplyAdds,
    close: engine.close,
  };
}

function usableMemory(): number {
  const allowed = process.constrainedMemory?.() ?? 0;
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}
