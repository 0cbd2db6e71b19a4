/** Which engines this machine has, and why the others aren't there. */
import { availableParallelism } from "node:os";
import type { EngineName } from "./backend.js";
import { type CudaReport, type NativeProbe, probeNative } from "./native.js";
import { hasRelaxedSimd, loadWasmModule } from "./wasm-module.js";

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

/** Every engine, in the order in which `auto` tries them; the reference engine comes last and is never chosen by `auto`. */
export async function engines(): Promise<EngineStatus[]> {
  const probe = await probeNative();
  return [
    { name: "cuda", available: false, reason: `this version has no CUDA kernels yet (${describeCuda(probe)})` },
    { name: "cpu", available: false, reason: `this version has no native CPU kernels yet (${describeAddon(probe)})` },
    wasmStatus(),
    { name: "reference", available: true, reason: "plain TypeScript, slow and exact: for tests and `doctor --verify`" },
  ];
}

function wasmStatus(): EngineStatus {
  const { threads } = wasmSupport();
  try {
    const simd = loadWasmModule().relaxedSimd ? "SIMD128 + relaxed SIMD" : "SIMD128";
    return { name: "wasm", available: true, reason: `WASM ${simd}, up to ${threads} thread${threads === 1 ? "" : "s"}` };
  } catch (error) {
    return { name: "wasm", available: false, reason: (error as Error).message };
  }
}

function describeAddon(probe: NativeProbe): string {
  return "error" in probe ? probe.error : `the native addon works: ${probe.path}`;
}

function describeCuda(probe: NativeProbe): string {
  if ("error" in probe) return probe.error;
  const { devices, reason } = probe.cuda;
  if (devices.length === 0) return `no CUDA device: ${reason}`;
  return `found ${devices.map((device) => describeDevice(device)).join(" and ")}`;
}

function describeDevice({ name, computeCapability, memoryBytes }: CudaReport["devices"][number]): string {
  return `${name}, compute capability ${computeCapability}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`;
}
