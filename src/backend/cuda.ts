import type { Backend } from "./backend.js";
import { CaptureCache } from "./capture.js";
import { ALIGNMENT, NativeHeap, RangeAllocator } from "./heap.js";
import type { Pointer } from "./kernels.js";
import { type CudaDevice, loadNative, type NativeAddon, type NativeCuda } from "./native.js";

/** Addresses reserved per byte of the limit: freed ranges may lie where the next tensor doesn't fit. */
const RESERVE_FACTOR = 2;
/** What is left of a device's memory for the driver, the staging memory and the library of products. */
const HEADROOM = 2 ** 29;
/** The oldest devices whose tensor cores take what the kernels give them. */
const LEAST_CAPABILITY = 8;

/** Names of the precisions, the default first. */
export const PRECISIONS = ["f32", "tf32", "bf16"] as const;
/**
 * How an engine computes: `f32`, all in float32; `tf32`, matrix products on tensor cores from operands rounded to 10 bits of mantissa; `bf16`,
 * activations and the weights of products in bfloat16, but sums, parameters, optimizer, teacher and losses in float32.
 */
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
  return openCudaBackend(addon, `${found.name}, cuda:${device}, ${options.precision ?? "f32"}`, {
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
  const ranges = new RangeAllocator(0, memoryLimit, engine.commit, engine.unused);
  const heap = engine.bf16Kernels === undefined ? new NativeHeap(ranges, engine) : new MirroringHeap(ranges, engine);
  return {
    name: "cuda",
    description,
    threads: 1,
    heap,
    kernels: engine.kernels,
    bf16Kernels: engine.bf16Kernels,
    capture: (run, keyOf) => captures.wrap(run, keyOf),
    synchronize: async () => void (await engine.synchronize()),
    close: engine.close,
  };
}

/** A heap in which parameters have their mirror in bfloat16 behind them, half as large. */
class MirroringHeap extends NativeHeap {
  readonly #mirrored = new Set<Pointer>();

  constructor(
    ranges: RangeAllocator,
    private readonly engine: NativeCuda,
  ) {
    super(ranges, engine);
  }

  override allocate(bytes: number, label: string, parameters = false): Pointer {
    if (!parameters) return super.allocate(bytes, label);
    const own = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const pointer = super.allocate(own + bytes / 2, label);
    this.engine.beginMirror(pointer, bytes, pointer + own);
    this.#mirrored.add(pointer);
    return pointer;
  }

  override free(pointer: Pointer): void {
    super.free(pointer);
    if (this.#mirrored.delete(pointer)) this.engine.endMirror(pointer);
  }
}
