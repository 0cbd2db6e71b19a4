import type { Heap } from "../backend/backend.js";
import type { Pointer } from "../backend/kernels.js";

/** How long a tensor's memory is valid. */
export interface Lifetime {
  readonly ended: boolean;
}

/** A place to rewind an {@link Arena} to. */
export interface Mark {
  readonly chunk: number;
  readonly offset: number;
}

const MIN_CHUNK = 1 << 22;
const ALIGNMENT = 64;

/**
 * Step memory: a bump pointer over chunks of the heap, rewound by scopes. The same sequence of allocations gives the same addresses at
 * every step, and chunks stay until the arena is closed.
 */
export class Arena {
  readonly #chunks: { start: Pointer; bytes: number }[] = [];
  #chunk = 0;
  #offset = 0;

  constructor(private readonly heap: Heap) {}

  allocate(bytes: number, label: string): Pointer {
    const size = Math.ceil(Math.max(bytes, 1) / ALIGNMENT) * ALIGNMENT;
    for (; this.#chunk < this.#chunks.length; this.#chunk++, this.#offset = 0) {
      const chunk = this.#chunks[this.#chunk];
      if (this.#offset + size > chunk.bytes) continue;
      const pointer = chunk.start + this.#offset;
      this.#offset += size;
      return pointer;
    }
    const chunkBytes = Math.max(size, MIN_CHUNK);
    this.#chunks.push({ start: this.heap.allocate(chunkBytes, label), bytes: chunkBytes });
    this.#offset = size;
    return this.#chunks[this.#chunk].start;
  }

  mark(): Mark {
    return { chunk: this.#chunk, offset: this.#offset };
  }

  rewind(mark: Mark): void {
    this.#chunk = mark.chunk;
    this.#offset = mark.offset;
  }
}
