/** The engines present on this machine, by the name that tests print. */
import type { Backend } from "../../src/backend/backend.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { createWasmBackend } from "../../src/backend/wasm.js";
import { hasRelaxedSimd } from "../../src/backend/wasm-module.js";

export interface Engine {
  readonly name: string;
  open(): Promise<Backend>;
}

const relaxedVariants = hasRelaxedSimd() ? [true, false] : [false];

/** Every engine whose kernels are held against the reference. */
export const engines: readonly Engine[] = [
  { name: "reference", open: async () => createReferenceBackend() },
  ...relaxedVariants.map((relaxedSimd) => ({
    name: `wasm ${relaxedSimd ? "relaxed" : "plain"} SIMD`,
    open: async () => createWasmBackend({ threads: 2, relaxedSimd }),
  })),
];

/** One engine with several numbers of threads: all must give the same bits. */
export const threadVariants: readonly Engine[] = [1, 2, 3].map((threads) => ({
  name: `wasm, ${threads} threads`,
  open: async () => createWasmBackend({ threads }),
}));
