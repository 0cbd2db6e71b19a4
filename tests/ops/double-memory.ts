/** Memory for the reference kernels that holds float64, so that finite differences of their forward are exact enough to judge gradients. */
import type { Pointer } from "../../src/backend/kernels.js";
import type { Floats, Memory } from "../../src/backend/reference/memory.js";

export class DoubleMemory implements Memory {
  readonly #floats: Float64Array;
  readonly #words: Uint32Array;
  #next = 16;

  constructor(elements: number) {
    this.#floats = new Float64Array(elements + 16);
    this.#words = new Uint32Array(elements + 16);
  }

  allocate(count: number): Pointer {
    const pointer = this.#next;
    this.#next += 4 * count;
    return pointer;
  }

  floats(pointer: Pointer, count: number): Floats {
    return this.#floats.subarray(pointer / 4, pointer / 4 + count);
  }

  ints(pointer: Pointer, count: number): Int32Array {
    return new Int32Array(this.#words.buffer, pointer, count);
  }

  words(pointer: Pointer, count: number): Uint32Array {
    return this.#words.subarray(pointer / 4, pointer / 4 + count);
  }
}
