/** The engines present on this machine, by the name that tests print. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Backend } from "../../src/backend/backend.js";
import { openCpuBackend } from "../../src/backend/cpu.js";
import { type CudaOpener, type CudaOptions, cudaLacks, openCudaBackend, type Precision } from "../../src/backend/cuda.js";
import { kernelsHash, loadNative, type NativeAddon, probeNative } from "../../src/backend/native.js";
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

const EMULATED = new URL("../../build-emulated/Release/cuda-emulated.node", import.meta.url);

/** The addon in which the CUDA kernels run emulated, where it is built (`npm run build:emulated`) from the sources that are here. */
export const emulated: EmulatedAddon | null = existsSync(EMULATED) ? loadEmulated() : null;

/** What the emulated addon has beside the engine. */
export interface EmulatedAddon extends CudaOpener {
  readonly kernelsHash: string;
  /** Lets the next call of the emulated CUDA runtime that may fail return a CUDA error code. */
  failNext(code: number): void;
  /** Lets the emulated device have no memory for the next allocation. */
  refuseMemory(): void;
}

function loadEmulated(): EmulatedAddon {
  const loaded = createRequire(import.meta.url)(fileURLToPath(EMULATED)) as EmulatedAddon;
  if (loaded.kernelsHash !== kernelsHash()) throw new Error("build-emulated is of other sources: run `npm run build:emulated`");
  return loaded;
}

/** Opens the CUDA engine over the emulation. */
export function openEmulated(options: Partial<CudaOptions> = {}): Backend {
  return openCudaBackend(emulated!, "emulated CUDA device", { memoryLimit: 2 ** 31, ...options });
}

type CudaEngine = { readonly name: string; open(): Backend };

/** The CUDA engine in a precision: on a device where there is one, and emulated where that is built. */
function cudaIn(precision: Precision, suffix: string): CudaEngine[] {
  const device = addon?.cudaDevices().devices.find((candidate) => cudaLacks(candidate) === null);
  const onDevice = (name: string) => openCudaBackend(addon!, name, { memoryLimit: 2 ** 32, precision });
  return [
    ...(device === undefined ? [] : [{ name: `cuda device${suffix}`, open: () => onDevice(device.name) }]),
    ...(emulated === null ? [] : [{ name: `cuda emulated${suffix}`, open: () => openEmulated({ precision }) }]),
  ];
}

/** In float32, and with activations in bfloat16. */
export const cudaEngines: readonly CudaEngine[] = cudaIn("f32", "");
export const bf16Engines: readonly CudaEngine[] = cudaIn("bf16", " bf16");

/** Every engine whose kernels are held against the reference, in float32. */
export const engines: readonly Engine[] = [
  { name: "reference", open: async () => createReferenceBackend() },
  ...relaxedVariants.map((relaxedSimd) => ({
    name: `wasm ${relaxedSimd ? "relaxed" : "plain"} SIMD`,
    open: async () => createWasmBackend({ threads: 2, relaxedSimd }),
  })),
  ...instructionSets.map((set) => ({ name: `cpu ${set}`, open: openCpu(set, 2) })),
  ...cudaEngines.map(({ name, open }) => ({ name, open: async () => open() })),
];

/** Engines that are tried with 1, 2 and 3 threads: all of one engine must give the same bits. */
export const threadVariants: readonly { name: string; open(threads: number): Promise<Backend> }[] = [
  { name: "wasm", open: async (threads) => createWasmBackend({ threads }) },
  ...instructionSets.map((set) => ({ name: `cpu ${set}`, open: (threads: number) => openCpu(set, threads)() })),
];
