import type { Backend } from "./backend.js";
import { CaptureCache } from "./capture.js";
import { NativeHeap, RangeAllocator } from "./heap.js";
import type { Pointer } from "./kernels.js";
import { type CudaDevice, loadNative, type NativeAddon } from "./native.js";

/** Addresses reserved per byte of the limit: freed ranges may lie where the next tensor doesn't fit. */
const RESERVE_FACTOR = 2;
/** What is left of a device's memory for the driver, the staging memory and the library of products. */
const HEADROOM = 2 ** 29;
/** The oldest devices whose tensor cores take what the kernels give them. */
const LEAST_CAPABILITY = 8;

/** How matrix products are computed: in full float32, or on tensor cores from operands rounded to 10 bits of mantissa. */
export const PRECISIONS = ["f32", "tf32"] as const;
export type Precision = (typeof PRECISIONS)[number];

export interface CudaOptions {
  /** Which of the devices, from 0. */
  device?: number;
  /** Bytes that tensors and scratch may take in all; default the memory of the device but half a GiB. */
  memoryLimit?: number;
  /** Default f32. */
  precision?: Precision;
  /** The plain kernels in place of the tuned ones, to check these; default the environment's DATA2VEC_CUDA_SIMPLE=1. */
  simple?: boolean;
}

/** What opens an engine: the addon, or in tests the emulation. */
export interface CudaOpener {
  openCuda: NativeAddon["openCuda"];
}

/**
 * The CUDA engine, on one device. Kernels are issued to it and run while the caller goes on; `download` and `synchronize` wait for them
 * without holding up the event loop.
 * @throws Error when the addon isn't built, has no CUDA, or there is no such device
 */
export async function createCudaBackend(options: CudaOptions = {}): Promise<Backend> {
  const addon = await loadNative();
  const { devices, reason } = addon.cudaDevices();
  const { device = 0 } = options;
  if (devices.length === 0) throw new Error(`engine: cuda is not available: ${reason}`);
  const found = devices[device] as CudaDevice | undefined;
  if (found === undefined) {
    throw new RangeError(`engine: cuda:${device}: expected a device from 0 to ${devices.length - 1}; this machine has ${devices.length}`);
  }
  const lacking = cudaLacks(found);
  if (lacking !== null) throw new Error(`engine: cuda:${device} is not available: ${lacking}`);
  return openCudaBackend(addon, `${found.name}, cuda:${device}`, {
    ...options,
    memoryLimit: options.memoryLimit ?? found.memoryBytes - HEADROOM,
  });
}

/** Why the engine can't run on a device, or null when it can. */
export function cudaLacks({ name, computeCapability }: CudaDevice): string | null {
  if (Number.parseInt(computeCapability, 10) >= LEAST_CAPABILITY) return null;
  return `${name} has compute capability ${computeCapability}, the kernels need ${LEAST_CAPABILITY}.0 (A100) or later`;
}

/** The same with an opener at hand. */
export function openCudaBackend(addon: CudaOpener, description: string, options: CudaOptions & { memoryLimit: number }): Backend {
  const { device = 0, memoryLimit, precision = "f32", simple = process.env.DATA2VEC_CUDA_SIMPLE === "1" } = options;
  if (!(memoryLimit > 0)) throw new RangeError(`cuda: memoryLimit: expected a positive number of bytes, got ${memoryLimit}`);
  let workspace: Pointer = 0;
  const growWorkspace = (bytes: number): Pointer => {
    // What was captured knows the address of the workspace.
    captures.invalidate();
    if (workspace !== 0) heap.free(workspace);
    workspace = 0;
    workspace = heap.allocate(bytes, "workspace");
    return workspace;
  };
  const engine = addon.openCuda(device, precision, simple, RESERVE_FACTOR * memoryLimit, growWorkspace);
  const captures = new CaptureCache(engine);
  const heap = new NativeHeap(new RangeAllocator(0, memoryLimit, engine.commit, engine.unused), engine);
  return {
    name: "cuda",
    description,
    threads: 1,
    heap,
    kernels: engine.kernels,
    capture: (run, keyOf) => captures.wrap(run, keyOf),
    synchronize: async () => void (await engine.synchronize()),
    close: engine.close,
  };
}
