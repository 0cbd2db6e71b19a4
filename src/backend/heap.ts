import { type Heap, OutOfMemoryError } from "./backend.js";
import type { Pointer } from "./kernels.js";

/** Bytes that the addresses of ranges are multiples of. */
export const ALIGNMENT = 64;

/** Hands out ranges of one address space: first fit over a sorted free list, neighbours merged on free. Engines own the bytes. */
export class RangeAllocator {
  readonly #free: { start: number; end: number }[] = [];
  readonly #sizes = new Map<Pointer, number>();
  #end: number;
  #used = 0;
  #peak = 0;

  /**
   * @param start first address; never 0, which means "absent"
   * @param limit bytes that may be handed out
   * @param grow called before addresses up to `end` are used for the first time; returns false when the engine can't provide them
   * @param unused bytes that are left where `grow` takes them, for the error
   */
  constructor(
    start: number,
    readonly limit: number,
    private readonly grow: (end: number) => boolean,
    private readonly unused?: () => number,
  ) {
    this.#end = Math.max(ALIGNMENT, align(start));
  }

  get used(): number {
    return this.#used;
  }

  get peak(): number {
    return this.#peak;
  }

  allocate(bytes: number, label: string): Pointer {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`${label}: ${bytes} is no size in bytes`);
    const size = align(Math.max(bytes, ALIGNMENT));
    const fail = () => new OutOfMemoryError(label, size, this.#used, this.limit);
    if (this.#used + size > this.limit) throw fail();
    const slot = this.#free.findIndex((range) => range.end - range.start >= size);
    let pointer: Pointer;
    if (slot >= 0) {
      const range = this.#free[slot];
      pointer = range.start;
      range.start += size;
      if (range.start === range.end) this.#free.splice(slot, 1);
    } else {
      const tail = this.#free.at(-1);
      const start = tail?.end === this.#end ? tail.start : this.#end;
      if (!this.grow(start + size)) throw new OutOfMemoryError(label, size, this.#used, this.limit, this.unused?.());
      if (start !== this.#end) this.#free.pop();
      pointer = start;
      this.#end = start + size;
    }
    this.#sizes.set(pointer, size);
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    return pointer;
  }

  free(pointer: Pointer): void {
    const size = this.#sizes.get(pointer);
    if (size === undefined) throw new Error(`heap: ${pointer} was not allocated, or was freed before`);
    this.#sizes.delete(pointer);
    this.#used -= size;
    let at = this.#free.findIndex((range) => range.start > pointer);
    if (at < 0) at = this.#free.length;
    this.#free.splice(at, 0, { start: pointer, end: pointer + size });
    this.#merge(at);
    if (at > 0) this.#merge(at - 1);
  }

  #merge(at: number): void {
    const range = this.#free[at];
    const next = this.#free[at + 1];
    if (next === undefined || range.end !== next.start) return;
    range.end = next.end;
    this.#free.splice(at + 1, 1);
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** What holds the bytes of a {@link NativeHeap}: an engine of the addon. */
export interface NativeMemory {
  upload(pointer: Pointer, bytes: Uint8Array): void;
  download(pointer: Pointer, byteLength: number): ArrayBuffer | Promise<ArrayBuffer>;
}

/** The heap of an engine whose memory lies in the addon. */
export class NativeHeap implements Heap {
  constructor(
    private readonly ranges: RangeAllocator,
    private readonly memory: NativeMemory,
  ) {}

  get limit(): number {
    return this.ranges.limit;
  }
  get used(): number {
    return this.ranges.used;
  }
  get peak(): number {
    return this.ranges.peak;
  }

  allocate(bytes: number, label: string): Pointer {
    return this.ranges.allocate(bytes, label);
  }

  free(pointer: Pointer): void {
    this.ranges.free(pointer);
  }

  upload(pointer: Pointer, bytes: Uint8Array): void {
    this.memory.upload(pointer, bytes);
  }

  async download(pointer: Pointer, byteLength: number): Promise<ArrayBuffer> {
    return this.memory.download(pointer, byteLength);
  }
}
