import type { Heap } from "../backend/backend.js";
import type { Pointer } from "../backend/kernels.js";

/** How long a tensor's memory is valid. */
export interface Lifetime {
  readonly ended: boolean;
}

/** The memory of a scope's tensor and its views: valid until it is discarded or the scope ends. */
export class Allocation implements Lifetime {
  discarded = false;

  constructor(private readonly scope: Lifetime) {}

  get ended(): boolean {
    return this.discarded || this.scope.ended;
  }
}

/** A place to rewind an {@link Arena} to. */
export interface Mark {
  readonly chunk: number;
  readonly offset: number;
  readonly released: Map<number, Pointer[]>;
}

const MIN_CHUNK = 1 << 22;
const ALIGNMENT = 64;

/**
 * Step memory: a bump pointer over chunks of the heap, rewound by scopes; what is released before that goes to the next allocation of its
 * size. The same sequence of calls gives the same addresses at every step, and chunks stay until the arena is closed.
 */
export class Arena {
  readonly #chunks: { start: Pointer; bytes: number }[] = [];
  #chunk = 0;
  #offset = 0;
  /** Ranges released since the last {@link enter}, by size. */
  #released = new Map<number, Pointer[]>();

  constructor(private readonly heap: Heap) {}

  allocate(bytes: number, label: string): Pointer {
    const size = align(bytes);
    const released = this.#released.get(size)?.pop();
    if (released !== undefined) return released;
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

  /** Gives back what {@link allocate} gave for as many bytes, before the arena is rewound. */
  release(pointer: Pointer, bytes: number): void {
    const size = align(bytes);
    const alike = this.#released.get(size);
    if (alike === undefined) this.#released.set(size, [pointer]);
    else alike.push(pointer);
  }

  /** Opens a level, which uses nothing again that was released before: the place alone decides the addresses that follow. */
  enter(): Mark {
    const mark = { chunk: this.#chunk, offset: this.#offset, released: this.#released };
    this.#released = new Map();
    return mark;
  }

  rewind(mark: Mark): void {
    this.#chunk = mark.chunk;
    this.#offset = mark.offset;
    this.#released = mark.released;
  }

  /** Names the place. */
  get place(): string {
    return `${this.#chunk}+${this.#offset}`;
  }
}

function align(bytes: number): number {
  return Math.ceil(Math.max(bytes, 1) / ALIGNMENT) * ALIGNMENT;
}
