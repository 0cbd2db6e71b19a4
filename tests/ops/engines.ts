/** The engines present on this machine, by the name that tests print. */
import type { Backend } from "../../src/backend/backend.js";
import { openCpuBackend } from "../../src/backend/cpu.js";
import { loadNative, type NativeAddon, probeNative } from "../../src/backend/native.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { createWasmBackend } from "../../src/backend/wasm.js";
import { hasRelaxedSimd } from "../../src/backend/wasm-module.js";

export interface Engine {
  readonly name: string;
  open(): Promise<Backend>;
}

const relaxedVariants = hasRelaxedSimd() ? [true, false] : [false];

/** The native addon, where it is built and works; tests/backend/native.test.ts says why it doesn't. */
export const addon: NativeAddon | null = "error" in (await probeNative()) ? null : await loadNative();

/** The native engine's instruction sets on this machine. */
export const instructionSets: readonly string[] = addon?.cpuInstructionSets() ?? [];

const openCpu = (instructionSet: string, threads: number) => async () => openCpuBackend(addon!, { threads, instructionSet });

/** Every engine whose kernels are held against the reference. */
export const engines: readonly Engine[] = [
  { name: "reference", open: async () => createReferenceBackend() },
  ...relaxedVariants.map((relaxedSimd) => ({
    name: `wasm ${relaxedSimd ? "relaxed" : "plain"} SIMD`,
    open: async () => createWasmBackend({ threads: 2, relaxedSimd }),
  })),
  ...instructionSets.map((set) => ({ name: `cpu ${set}`, open: openCpu(set, 2) })),
];

/** Engines that are tried with 1, 2 and 3 threads: all of one engine must give the same bits. */
export const threadVariants: readonly { name: string; open(threads: number): Promise<Backend> }[] = [
  { name: "wasm", open: async (threads) => createWasmBackend({ threads }) },
  ...instructionSets.map((set) => ({ name: `cpu ${set}`, open: (threads: number) => openCpu(set, threads)() })),
];
