/** The C kernels in scalar form behind the addon's binder, as a backend that describeOp can hold against the reference. */
import type { Backend } from "../../src/backend/backend.js";
import { RangeAllocator } from "../../src/backend/heap.js";
import { loadNative } from "../../src/backend/native.js";

const HEAP_BYTES = 2 ** 28;

export async function createNativeScalarBackend(): Promise<Backend> {
  const memory = new ArrayBuffer(HEAP_BYTES);
  const ranges = new RangeAllocator(0, HEAP_BYTES, (end) => end <= HEAP_BYTES);
  return {
    name: "cpu",
    description: "C kernels, scalar, through the native addon",
    threads: 1,
    heap: {
      limit: HEAP_BYTES,
      get used() {
        return ranges.used;
      },
      get peak() {
        return ranges.peak;
      },
      allocate: (bytes, label) => ranges.allocate(bytes, label),
      free: (pointer) => ranges.free(pointer),
      upload: (pointer, bytes) => new Uint8Array(memory, pointer, bytes.byteLength).set(bytes),
      download: async (pointer, byteLength) => memory.slice(pointer, pointer + byteLength),
    },
    kernels: (await loadNative()).scalarKernels(memory),
    capture: (run) => run,
    synchronize: async () => {},
    close: () => {},
  };
}
