import type { Backend, Heap } from "../backend.js";
import { RangeAllocator } from "../heap.js";
import type { Pointer } from "../kernels.js";
import { referenceKernels } from "./kernels.js";
import type { Floats, Memory } from "./memory.js";

const DEFAULT_LIMIT = 2 ** 31;
const FIRST_CAPACITY = 2 ** 20;

/** Options of {@link createReferenceBackend}. */
export interface ReferenceOptions {
  /** Bytes that may be allocated in all; 2 GiB unless given. */
  memoryLimit?: number;
}

/** The reference engine: plain TypeScript, slow and exact; the truth in the tests and for `doctor --verify`. */
export function createReferenceBackend({ memoryLimit = DEFAULT_LIMIT }: ReferenceOptions = {}): Backend {
  const heap = new ReferenceHeap(memoryLimit);
  return {
    name: "reference",
    description: "TypeScript reference, double accumulators, 1 thread",
    threads: 1,
    heap,
    kernels: referenceKernels(heap),
    capture: (run) => run,
    synchronize: async () => {},
    close: () => heap.close(),
  };
}

class ReferenceHeap implements Heap, Memory {
  readonly #ranges: RangeAllocator;
  #buffer: ArrayBuffer;

  constructor(readonly limit: number) {
    this.#buffer = new ArrayBuffer(Math.min(FIRST_CAPACITY, limit));
    this.#ranges = new RangeAllocator(0, limit, (end) => this.#grow(end));
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
    new Uint8Array(this.#buffer, pointer, bytes.byteLength).set(bytes);
  }

  async download(pointer: Pointer, byteLength: number): Promise<ArrayBuffer> {
    return this.#buffer.slice(pointer, pointer + byteLength);
  }

  floats(pointer: Pointer, count: number): Floats {
    return new Float32Array(this.#buffer, pointer, count);
  }

  ints(pointer: Pointer, count: number): Int32Array {
    return new Int32Array(this.#buffer, pointer, count);
  }

  words(pointer: Pointer, count: number): Uint32Array {
    return new Uint32Array(this.#buffer, pointer, count);
  }

  close(): void {
    this.#buffer = new ArrayBuffer(0);
  }

  /** Copies into a larger buffer: views are made per call, so none outlives this. */
  #grow(end: number): boolean {
    if (end <= this.#buffer.byteLength) return true;
    try {
      const larger = new ArrayBuffer(Math.max(end, 2 * this.#buffer.byteLength));
      new Uint8Array(larger).set(new Uint8Array(this.#buffer));
      this.#buffer = larger;
      return true;
    } catch {
      return false;
    }
  }
}
