import type { Pointer } from "../kernels.js";

/** An array of device numbers: float32 in the engine, float64 where tests take finite differences. */
export type Floats = Float32Array | Float64Array;

/** What a reference kernel sees of the heap: addresses count bytes, with four bytes an element whatever the width of a float here. */
export interface Memory {
  floats(pointer: Pointer, count: number): Floats;
  ints(pointer: Pointer, count: number): Int32Array;
  words(pointer: Pointer, count: number): Uint32Array;
}

/** Floats at an address that may be absent (0). */
export function optionalFloats(memory: Memory, pointer: Pointer, count: number): Floats | undefined {
  return pointer === 0 ? undefined : memory.floats(pointer, count);
}

/** Integers at an address that may be absent (0). */
export function optionalInts(memory: Memory, pointer: Pointer, count: number): Int32Array | undefined {
  return pointer === 0 ? undefined : memory.ints(pointer, count);
}
