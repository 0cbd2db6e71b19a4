/** Measures the matrix product (`linear`) against the machine's multiply-add peak, both in the same run. */
import { availableParallelism } from "node:os";
import type { Backend, EngineName } from "./backend.js";
import { createCpuBackend } from "./cpu.js";
import { createWasmBackend } from "./wasm.js";

/** The engines that can be measured: those that know their peak. */
export const BENCH_ENGINES = ["wasm", "cpu"] as const;
export type BenchEngine = (typeof BENCH_ENGINES)[number];

/** An engine that can also say how fast its multiply-adds are. */
export type BenchBackend = Backend & { multiplyAdds(tasks: number): number };

/** One measurement of y (m x n) = x (m x k) · weightᵀ (k x n). */
export interface GemmRow {
  engine: EngineName;
  m: number;
  n: number;
  k: number;
  threads: number;
  /** 10⁹ floating-point operations (2 m n k a product) per second, best of the run. */
  gflops: number;
  /** The same for a loop of independent multiply-adds on registers, on as many threads. */
  peakGflops: number;
}

/** Rows, output and input features of a `linear`. */
export type GemmShape = readonly [m: number, n: number, k: number];

export interface GemmOptions {
  /** Default: WASM. */
  engine?: BenchEngine;
  /** Default: two projections of ViT-B, then the products of the demo's model. */
  shapes?: readonly GemmShape[];
  /** Default: one thread, then one per core. */
  threads?: readonly number[];
  /** Time spent on each row; default 500. */
  milliseconds?: number;
}

const SHAPES: readonly GemmShape[] = [
  [512, 768, 768],
  [512, 768, 3072],
  [512, 3072, 768],
  [3200, 96, 96],
  [3200, 288, 96],
  [3200, 384, 96],
  [3200, 96, 384],
];
const PEAK_TASKS = 8;
/** What a sample takes at least, so that the clock's grain doesn't show. */
const SAMPLE_MILLISECONDS = 2;

/**
 * Measures an engine's matrix product. Peak and product alternate in samples of equal length, so that both meet the same machine: on a busy
 * one a short sample would find a quiet moment where a long one can't. The best of each counts.
 */
export async function benchGemm({ engine = "wasm", shapes = SHAPES, threads, milliseconds = 500 }: GemmOptions = {}): Promise<GemmRow[]> {
  const counts = threads ?? [...new Set([1, availableParallelism()])];
  const rows: GemmRow[] = [];
  for (const count of counts) {
    const backend = await openForBench(engine, count);
    try {
      rows.push(...shapes.map((shape) => measure(backend, shape, milliseconds)));
    } finally {
      backend.close();
    }
  }
  return rows;
}

/** Opens an engine that knows its peak. */
export function openForBench(engine: BenchEngine, threads?: number): Promise<BenchBackend> | BenchBackend {
  return engine === "cpu" ? createCpuBackend({ threads }) : createWasmBackend({ threads });
}

function measure(backend: BenchBackend, [m, n, k]: GemmShape, milliseconds: number): GemmRow {
  const { heap, kernels, threads } = backend;
  const buffers = [m * n, m * k, n * k, n].map((count) => {
    const pointer = heap.allocate(4 * count, "bench gemm");
    kernels.fill(pointer, count, 0.5);
    return pointer;
  });
  const [y, x, weight, bias] = buffers;
  const product = () => {
    kernels.linear(y, x, weight, bias, m, k, n);
    return 2 * m * n * k;
  };
  const peak = () => backend.multiplyAdds(PEAK_TASKS * threads);
  let gflops = 0;
  let peakGflops = 0;
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const products = sample(product, SAMPLE_MILLISECONDS);
    gflops = Math.max(gflops, products.gflops);
    peakGflops = Math.max(peakGflops, sample(peak, products.elapsed).gflops);
  }
  for (const pointer of buffers) heap.free(pointer);
  return { engine: backend.name, m, n, k, threads, gflops, peakGflops };
}

/** Calls `run`, which returns the operations it did, for at least some milliseconds; 10⁹ operations per second, and the time taken. */
function sample(run: () => number, milliseconds: number): { gflops: number; elapsed: number } {
  const start = performance.now();
  let operations = 0;
  let elapsed = 0;
  while (elapsed < milliseconds) {
    operations += run();
    elapsed = performance.now() - start;
  }
  return { gflops: operations / elapsed / 1e6, elapsed };
}
