/** Which engines this machine has, and why the others aren't there. */
import { availableParallelism } from "node:os";
import type { EngineName } from "./backend.js";
import { cudaLacks } from "./cuda.js";
import { type CudaReport, type NativeProbe, probeNative } from "./native.js";
import { hasRelaxedSimd, loadWasmModule } from "./wasm-module.js";

/** Engines that `auto` may choose: neither the reference, which is slow, nor CUDA, before its kernels have been verified on a device. */
const AUTO_ENGINES: readonly EngineName[] = ["cpu", "wasm"];

/** What is to be known of the CUDA engine before it is trusted. */
const CUDA_STATE = "its kernels have only run emulated yet, so that auto passes it over";

/** One engine on this machine; `reason` says what it found, or what is missing and how to get it. */
export interface EngineStatus {
  name: EngineName;
  available: boolean;
  reason: string;
}

/** What the WASM engine has to work with: fused multiply-add, and the threads it takes unless told otherwise. */
export interface WasmSupport {
  relaxedSimd: boolean;
  threads: number;
}

export function wasmSupport(): WasmSupport {
  return { relaxedSimd: hasRelaxedSimd(), threads: availableParallelism() };
}

/** Every engine, the fastest first. */
export async function engines(): Promise<EngineStatus[]> {
  const probe = await probeNative();
  return [
    cudaStatus(probe),
    cpuStatus(probe),
    wasmStatus(),
    { name: "reference", available: true, reason: "plain TypeScript, slow and exact: for tests and `doctor --verify`" },
  ];
}

/** Those of the engines that `auto` may choose, the one that it prefers first. */
export function automatic(status: readonly EngineStatus[]): EngineStatus[] {
  return status.filter(({ name }) => AUTO_ENGINES.includes(name));
}

function wasmStatus(): EngineStatus {
  try {
    const simd = loadWasmModule().relaxedSimd ? "SIMD128 + relaxed SIMD" : "SIMD128";
    return { name: "wasm", available: true, reason: `WASM ${simd}, ${upToThreads()}` };
  } catch (error) {
    return { name: "wasm", available: false, reason: (error as Error).message };
  }
}

function cpuStatus(probe: NativeProbe): EngineStatus {
  if ("error" in probe) return { name: "cpu", available: false, reason: probe.error };
  const [best] = probe.instructionSets;
  if (best === undefined) return { name: "cpu", available: false, reason: "the processor lacks SSE4.2, the least that the addon needs" };
  return { name: "cpu", available: true, reason: `native ${best}, ${upToThreads()}` };
}

function upToThreads(): string {
  const threads = availableParallelism();
  return `up to ${threads} thread${threads === 1 ? "" : "s"}`;
}

function cudaStatus(probe: NativeProbe): EngineStatus {
  const missing = (reason: string): EngineStatus => ({ name: "cuda", available: false, reason });
  if ("error" in probe) return missing(probe.error);
  const { devices, reason } = probe.cuda;
  if (devices.length === 0) return missing(`no CUDA device: ${reason}`);
  const lacking = devices.map(cudaLacks);
  if (!lacking.includes(null)) return missing(lacking.join("; "));
  return { name: "cuda", available: true, reason: `${devices.map(describeDevice).join(" and ")}; ${CUDA_STATE}` };
}

function describeDevice({ name, computeCapability, memoryBytes }: CudaReport["devices"][number]): string {
  return `${name}, compute capability ${computeCapability}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`;
}
