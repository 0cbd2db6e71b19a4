/** The part of the WebAssembly JavaScript interface that the engine uses; TypeScript has it only in its browser library. */
declare namespace WebAssembly {
  function validate(bytes: Uint8Array): boolean;
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Exports;
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
    /** Adds pages of 64 KiB; throws RangeError when there is no room. */
    grow(pages: number): number;
  }
  interface Global {
    value: number;
  }
  type Exports = Record<string, unknown>;
}
