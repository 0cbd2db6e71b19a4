/** Finds the native addon, asks it in a child process what it can do, and loads it. */
import { type ExecFileException, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Recorder } from "./capture.js";
import type { Precision } from "./cuda.js";
import type { Kernels, Pointer } from "./kernels.js";

/** A CUDA device, as the runtime reports it; `computeCapability` is `"9.0"`, `memoryBytes` all of its memory. */
export interface CudaDevice {
  name: string;
  computeCapability: string;
  multiprocessors: number;
  memoryBytes: number;
}

/** What the addon knows of CUDA; versions are 1000 * major + 10 * minor, 0 where there is none; `reason` says why `devices` is empty. */
export interface CudaReport {
  compiled: boolean;
  driverVersion: number;
  runtimeVersion: number;
  reason: string;
  devices: CudaDevice[];
}

/** One open native CPU engine (native/cpu/open.cc); all but `close` throw after it. */
export interface NativeCpu {
  readonly kernels: Kernels;
  /** Makes the addresses below `end` usable; false when the system has no memory for them. */
  commit(end: number): boolean;
  upload(pointer: Pointer, bytes: Uint8Array): void;
  download(pointer: Pointer, byteLength: number): ArrayBuffer;
  /** Runs `tasks` loops of multiply-adds over all threads; returns the floating-point operations done. */
  multiplyAdds(tasks: number): number;
  /** Ends the threads and gives the memory back. */
  close(): void;
}

/** One open CUDA engine (native/cuda/open.cc); all but `close` throw after it, and after the device was lost. */
export interface NativeCuda extends Recorder {
  /** With activations in float32. */
  readonly kernels: Kernels;
  /** With activations in bfloat16, when the precision is `bf16`. */
  readonly bf16Kernels?: Kernels;
  /** Makes the addresses below `end` usable; false when the device has no memory for them. */
  commit(end: number): boolean;
  /** Bytes of the device that nobody uses. */
  unused(): number;
  /**
   * From here on `mirror` holds the parameters in `bytes` from `parameters` on, rounded to bfloat16: `adamw`, `ema`, `copy`, `fill` and
   * uploads that write these write it too.
   */
  beginMirror(parameters: Pointer, bytes: number, mirror: Pointer): void;
  endMirror(parameters: Pointer): void;
  /** Returns before the bytes are there; work issued afterwards sees them. */
  upload(pointer: Pointer, bytes: Uint8Array): void;
  download(pointer: Pointer, byteLength: number): Promise<ArrayBuffer>;
  /** Resolves when all work issued so far is done. */
  synchronize(): Promise<unknown>;
  /** Waits for the work under way and gives the memory back. */
  close(): void;
}

/** The exports of the addon (native/addon.cc). */
export interface NativeAddon {
  /** SHA-256 of the include/kernels.h that the addon was built from. */
  readonly kernelsHash: string;
  cudaDevices(): CudaReport;
  /** Instruction sets that the kernels were compiled for and this machine has, best first. */
  cpuInstructionSets(): string[];
  /**
   * @param reserve bytes of address space, the most that may be committed
   * @param growWorkspace returns the address of as many bytes, in place of what it returned before; what it throws, the kernel throws
   */
  openCpu(instructionSet: string, threads: number, reserve: number, growWorkspace: (bytes: number) => Pointer): NativeCpu;
  /** The same on a CUDA device; there is no such function where the addon was compiled without CUDA. */
  openCuda(device: number, precision: Precision, simple: boolean, reserve: number, growWorkspace: (bytes: number) => Pointer): NativeCuda;
}

/** What the addon says of itself and the machine. */
export interface NativeReport {
  cuda: CudaReport;
  instructionSets: string[];
}

/** A working addon and its answer, or why there is none. */
export type NativeProbe = ({ path: string } & NativeReport) | { error: string };

/** The package that carries a prebuilt addon for this kind of machine (`tools/prebuilt.mjs` makes it). */
export const PREBUILT_PACKAGE = `@data2vec/${process.platform}-${process.arch}`;

/** The prebuilt addon that is installed for a module at `from`, if any. */
export function prebuiltAddon(from: string | URL = import.meta.url): string[] {
  try {
    return [createRequire(from).resolve(`${PREBUILT_PACKAGE}/data2vec.node`)];
  } catch {
    return [];
  }
}

/** Where the addon may be: what was built here (the same two folders up from src/backend and from dist/backend), then a prebuilt one. */
export const ADDON_PATHS: readonly string[] = [
  ...["Release", "Debug"].map((config) => fileURLToPath(new URL(`../../build-native/${config}/data2vec.node`, import.meta.url))),
  ...prebuiltAddon(),
];

const HOW_TO_BUILD = "with CMake and gcc 12 or later, or clang (for CUDA also nvcc), run `npm run build:native`";
const HEADER = new URL("../../include/kernels.h", import.meta.url);
const PROBE = `
const { kernelsHash, cudaDevices, cpuInstructionSets } = require(process.argv[1]);
if (kernelsHash !== process.argv[2]) throw new Error("it was built from other sources than these");
process.stdout.write(JSON.stringify({ cuda: cudaDevices(), instructionSets: cpuInstructionSets() }));
`;

const run = promisify(execFile);
let probed: Promise<NativeProbe> | undefined;

/** What an addon must have been built from: SHA-256 of include/kernels.h, as CMakeLists.txt takes it. */
export function kernelsHash(): string {
  return createHash("sha256").update(readFileSync(HEADER)).digest("hex");
}

/** Probes the addon once per process; later calls get the same answer. */
export function probeNative(): Promise<NativeProbe> {
  return (probed ??= probeAddon(ADDON_PATHS));
}

/**
 * Loads each of `paths` in a child process until one answers, so that a driver that crashes or hangs can't take this process down.
 * @param timeout milliseconds after which a child that hasn't answered is ended
 */
export async function probeAddon(paths: readonly string[], timeout = 30_000): Promise<NativeProbe> {
  const errors: string[] = [];
  for (const path of paths.filter((candidate) => existsSync(candidate))) {
    try {
      return { path, ...(await askChild(path, timeout)) };
    } catch (error) {
      errors.push(`${path}: ${(error as Error).message}`);
    }
  }
  if (errors.length === 0) return { error: `the native addon is not built; ${HOW_TO_BUILD}` };
  return { error: `the native addon does not work: ${errors.join("; ")}; build it again: ${HOW_TO_BUILD}` };
}

/** Loads the addon that {@link probeNative} found; throws its error, with what can be done, where there is none. */
export async function loadNative(): Promise<NativeAddon> {
  const probe = await probeNative();
  if ("error" in probe) throw new Error(probe.error);
  return createRequire(import.meta.url)(probe.path) as NativeAddon;
}

async function askChild(path: string, timeout: number): Promise<NativeReport> {
  try {
    const { stdout } = await run(process.execPath, ["-e", PROBE, path, kernelsHash()], { timeout, killSignal: "SIGKILL" });
    return JSON.parse(stdout) as NativeReport;
  } catch (error) {
    throw new Error(explain(error as ExecFileException & { stderr?: string }, timeout));
  }
}

function explain(error: ExecFileException & { stderr?: string }, timeout: number): string {
  if (error.killed) return `no answer within ${timeout / 1000} s (a driver that hangs?)`;
  if (error.signal) return `crashed with ${error.signal} when it was loaded (a broken driver?)`;
  return error.stderr?.split("\n").find((line) => /^\w*Error\b/.test(line)) ?? error.message;
}
