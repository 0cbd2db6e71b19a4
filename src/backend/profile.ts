/** Where the time of an engine goes, kernel by kernel: what `DATA2VEC_DEBUG=2` prints. */
import type { Backend } from "./backend.js";
import { COSTS } from "./cost.js";
import type { Kernels } from "./kernels.js";

/** All calls of one kernel. */
export interface KernelTime {
  kernel: keyof Kernels;
  calls: number;
  milliseconds: number;
  /** Useful floating-point operations, and bytes that had to be read and written once. */
  flops: number;
  bytes: number;
}

/** What a profile holds. */
export interface Profile {
  /** By time, the longest first. */
  kernels: KernelTime[];
  /** Wall-clock time from the first call of a kernel to the end of the last. */
  milliseconds: number;
}

/** Counts what kernels take. */
export interface Profiler {
  /** What was counted. */
  profile(): Profile;
  /** Begins anew. */
  reset(): void;
}

/** The same engine, whose kernels are timed; for engines that have done a kernel's work when its call returns. */
export function profiled(backend: Backend): Profiler & { backend: Backend } {
  const times = new Map<keyof Kernels, KernelTime>();
  let first = 0;
  let last = 0;
  const timed = <K extends keyof Kernels>(kernel: K): Kernels[K] => {
    const run = backend.kernels[kernel] as (...args: number[]) => void;
    const cost = COSTS[kernel] as (...args: number[]) => { flops: number; bytes: number };
    const total: KernelTime = { kernel, calls: 0, milliseconds: 0, flops: 0, bytes: 0 };
    times.set(kernel, total);
    return ((...args: number[]) => {
      const start = performance.now();
      run(...args);
      last = performance.now();
      if (first === 0) first = start;
      const { flops, bytes } = cost(...args);
      total.calls += 1;
      total.milliseconds += last - start;
      total.flops += flops;
      total.bytes += bytes;
    }) as Kernels[K];
  };
  const kernels = Object.fromEntries(Object.keys(COSTS).map((name) => [name, timed(name as keyof Kernels)])) as unknown as Kernels;
  const profile = (): Profile => ({
    kernels: [...times.values()].filter(({ calls }) => calls > 0).sort((a, b) => b.milliseconds - a.milliseconds),
    milliseconds: last - first,
  });
  const reset = () => {
    first = 0;
    for (const total of times.values()) Object.assign(total, { calls: 0, milliseconds: 0, flops: 0, bytes: 0 });
  };
  const { name, description, threads, heap } = backend;
  const same: Omit<Backend, "kernels"> = {
    name,
    description,
    threads,
    heap,
    capture: (run, keyOf) => backend.capture(run, keyOf),
    synchronize: () => backend.synchronize(),
    close: () => backend.close(),
  };
  return { backend: { ...same, kernels }, profile, reset };
}

/** The same engine, which writes its profile to stderr when it is closed. */
export function writingProfile(timed: Backend): Backend {
  const { backend, profile } = profiled(timed);
  const close = () => {
    backend.close();
    const { kernels, milliseconds } = profile();
    if (kernels.length > 0) process.stderr.write(`${profileLines({ kernels, milliseconds }).join("\n")}\n`);
  };
  return { ...backend, close };
}

/** A profile as lines of a table: share of the time, calls, rates. What isn't in a kernel is the host's: data, recording, reading. */
export function profileLines({ kernels, milliseconds }: Profile): string[] {
  const inside = kernels.reduce((sum, kernel) => sum + kernel.milliseconds, 0);
  const rows = kernels.map((kernel) => [
    kernel.kernel,
    String(kernel.calls),
    kernel.milliseconds.toFixed(1),
    share(kernel.milliseconds, milliseconds),
    ((1000 * kernel.milliseconds) / kernel.calls).toFixed(1),
    kernel.flops > 0 ? (kernel.flops / kernel.milliseconds / 1e6).toFixed(1) : "",
    (kernel.bytes / kernel.milliseconds / 1e6).toFixed(1),
  ]);
  const outside = milliseconds - inside;
  rows.push(["outside of kernels", "", outside.toFixed(1), share(outside, milliseconds), "", "", ""]);
  const heading = ["kernel", "calls", "ms", "share", "µs a call", "GFLOP/s", "GB/s"];
  const widths = heading.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  return [heading, ...rows].map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  "),
  );
}

const share = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
