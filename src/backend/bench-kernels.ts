/** Measures the kernels of an engine one by one, against the multiply-add peak and the copy bandwidth of the same run. */
import { type BenchEngine, openForBench } from "./bench-gemm.js";
import { COSTS, type Cost } from "./cost.js";
import type { Kernels, Pointer } from "./kernels.js";

/** One kernel on one shape. */
export interface KernelRow {
  engine: BenchEngine;
  kernel: keyof Kernels;
  shape: string;
  threads: number;
  milliseconds: number;
  /** Useful 10⁹ operations per second, and the peak of multiply-adds on registers; 0 for a kernel without products. */
  gflops: number;
  peakGflops: number;
  /** 10⁹ bytes per second that must be read and written, and what `copy` reaches on an array that no cache holds. */
  gigabytes: number;
  copyGigabytes: number;
}

export interface KernelBenchOptions {
  /** Default: WASM. */
  engine?: BenchEngine;
  /** Default: one per core. */
  threads?: number;
  /** Only those with this in their name. */
  filter?: string;
  /** Time spent on each kernel; default 300. */
  milliseconds?: number;
}

/** A float array of so many elements, in place of an address. */
interface Floats {
  floats: number;
}
/** An i32 array whose elements are 0, 1, ... below `below`, over and over. */
interface Indices {
  indices: number;
  below: number;
}
type Argument = number | Floats | Indices;
interface Case {
  kernel: keyof Kernels;
  shape: string;
  args: readonly Argument[];
}

const COPY_ELEMENTS = 1 << 24;
const PEAK_TASKS = 8;
const floats = (count: number): Floats => ({ floats: count });
const indices = (count: number, below: number): Indices => ({ indices: count, below });
const RNG: Indices = { indices: 4, below: 1 << 30 };

/** What a Transformer of a width does with 197 tokens, in batches of some 3,000 rows. */
function transformerCases(dim: number): Case[] {
  const [samples, tokens] = [16, 197];
  const rows = samples * tokens;
  const values = floats(rows * dim);
  const [vector, row] = [floats(dim), floats(rows)];
  const shape = `${samples}x${tokens}x${dim}`;
  const wide = rows * 4 * dim;
  return [
    { kernel: "add", shape, args: [values, values, values, rows * dim] },
    { kernel: "dropout", shape, args: [values, values, RNG, samples, tokens * dim, 0.1, 3] },
    { kernel: "residual", shape, args: [values, values, values, vector, RNG, samples, tokens, dim, 0.1, 3] },
    { kernel: "residualGrad", shape, args: [values, vector, values, values, vector, RNG, samples, tokens, dim, 0.1, 3] },
    { kernel: "gelu", shape: `${samples}x${tokens}x${4 * dim}`, args: [floats(wide), floats(wide), wide] },
    { kernel: "geluGrad", shape: `${samples}x${tokens}x${4 * dim}`, args: [floats(wide), floats(wide), floats(wide), wide] },
    { kernel: "layerNorm", shape, args: [values, row, row, values, vector, vector, rows, dim, 1e-6] },
    { kernel: "layerNormGrad", shape, args: [values, vector, vector, values, values, vector, row, row, rows, dim] },
    { kernel: "averageLayer", shape: `${shape} layer norm`, args: [values, values, samples, tokens, dim, 1, 1, 0.1, 1e-5, 1] },
    { kernel: "averageLayer", shape: `${shape} instance norm`, args: [values, values, samples, tokens, dim, 1, 2, 0.1, 1e-5, 1] },
    { kernel: "gatherRows", shape, args: [values, values, indices(rows, rows), rows, dim] },
    {
      kernel: "regression",
      shape,
      args: [floats(4), values, values, values, indices(rows, rows), floats(1), rows, dim, 0, 1],
    },
    {
      kernel: "crossEntropy",
      shape: `${rows}x1000`,
      args: [floats(2), floats(rows * 1000), floats(rows * 1000), floats(rows * 1000), floats(1), rows, 1000],
    },
  ];
}

function attentionCases(batch: number, tokens: number, heads: number, headDim: number): Case[] {
  const states = floats(batch * tokens * heads * headDim);
  const qkv = floats(3 * states.floats);
  const sums = floats(batch * heads * tokens);
  const bias = floats(heads * tokens * tokens);
  const shape = `${batch}x${tokens}, ${heads} heads of ${headDim}`;
  return [
    { kernel: "attention", shape, args: [states, sums, qkv, 0, 0, 0, 0, RNG, batch, tokens, heads, headDim, 0, 3] },
    { kernel: "attention", shape: `${shape}, bias`, args: [states, sums, qkv, bias, 0, 0, 0, RNG, batch, tokens, heads, headDim, 0, 3] },
    {
      kernel: "attentionGrad",
      shape,
      args: [qkv, 0, 0, states, states, sums, qkv, 0, 0, 0, 0, RNG, batch, tokens, heads, headDim, 0, 3],
    },
    {
      kernel: "attentionGrad",
      shape: `${shape}, bias`,
      args: [qkv, bias, 0, states, states, sums, qkv, bias, 0, 0, 0, RNG, batch, tokens, heads, headDim, 0, 3],
    },
  ];
}

function linearCases(rows: number, inDim: number, outDim: number): Case[] {
  const [x, y, weight, bias] = [floats(rows * inDim), floats(rows * outDim), floats(inDim * outDim), floats(outDim)];
  const shape = `${rows}x${inDim} to ${outDim}`;
  return [
    { kernel: "linear", shape, args: [y, x, weight, bias, rows, inDim, outDim] },
    { kernel: "linearGelu", shape, args: [y, 0, x, weight, bias, rows, inDim, outDim] },
    { kernel: "linearGradInput", shape, args: [x, y, weight, rows, inDim, outDim] },
    { kernel: "linearGradWeight", shape, args: [weight, bias, y, x, rows, inDim, outDim] },
  ];
}

function convolutionCases(
  batch: number,
  time: number,
  inDim: number,
  outDim: number,
  kernel: number,
  stride: number,
  groups: number,
): Case[] {
  const padding = stride === 1 ? Math.floor(kernel / 2) : 0;
  const outTime = Math.floor((time + 2 * padding - kernel) / stride) + 1;
  const [x, y] = [floats(batch * time * inDim), floats(batch * outTime * outDim)];
  const [weight, bias] = [floats((outDim * kernel * inDim) / groups), floats(outDim)];
  const sizes = [batch, time, inDim, outDim, kernel, stride, padding, groups];
  const shape = `${batch}x${time}x${inDim} to ${outDim}, ${kernel} taps, stride ${stride}, ${groups} group${groups === 1 ? "" : "s"}`;
  return [
    { kernel: "conv1d", shape, args: [y, x, weight, bias, ...sizes] },
    { kernel: "conv1dGradInput", shape, args: [x, y, weight, ...sizes] },
    { kernel: "conv1dGradWeight", shape, args: [weight, bias, y, x, ...sizes] },
  ];
}

const PARAMETERS = 1 << 22;
const CASES: readonly Case[] = [
  ...linearCases(3152, 256, 1024),
  ...linearCases(788, 768, 3072),
  ...attentionCases(4, 197, 12, 64),
  ...attentionCases(1, 1000, 12, 64),
  ...attentionCases(64, 50, 4, 32),
  ...transformerCases(256),
  ...transformerCases(768),
  ...convolutionCases(2, 8000, 512, 512, 3, 2, 1),
  ...convolutionCases(4, 750, 768, 768, 19, 1, 16),
  {
    kernel: "layerNormGelu",
    shape: "16000x512",
    args: [floats(16000 * 512), floats(16000), floats(16000), floats(16000 * 512), floats(512), floats(512), 16000, 512, 1e-5],
  },
  { kernel: "squaredNorm", shape: String(PARAMETERS), args: [floats(1), floats(PARAMETERS), PARAMETERS] },
  {
    kernel: "adamw",
    shape: String(PARAMETERS),
    args: [
      floats(PARAMETERS),
      floats(PARAMETERS),
      floats(PARAMETERS),
      floats(PARAMETERS),
      floats(1),
      floats(4),
      PARAMETERS,
      1,
      0.05,
      0.9,
      0.98,
    ],
  },
  { kernel: "ema", shape: String(PARAMETERS), args: [floats(PARAMETERS), floats(PARAMETERS), floats(1), PARAMETERS] },
];

/**
 * Measures kernels, each the best of many calls. Peak, copy and kernels alternate, so that all meet the same machine. Buffers hold small
 * positive numbers.
 */
export async function benchKernels({
  engine = "wasm",
  threads,
  filter = "",
  milliseconds = 300,
}: KernelBenchOptions = {}): Promise<KernelRow[]> {
  const backend = await openForBench(engine, threads);
  const { heap, kernels } = backend;
  try {
    const source = fill(heap.allocate(4 * COPY_ELEMENTS, "copied"), COPY_ELEMENTS);
    const target = fill(heap.allocate(4 * COPY_ELEMENTS, "copy"), COPY_ELEMENTS);
    const rows: KernelRow[] = [];
    for (const { kernel, shape, args } of CASES.filter((each) => each.kernel.toLowerCase().includes(filter.toLowerCase()))) {
      const pointers: Pointer[] = [];
      const values = args.map((arg) => {
        if (typeof arg === "number") return arg;
        const pointer = "floats" in arg ? fill(allocate(arg.floats), arg.floats) : index(allocate(arg.indices), arg);
        pointers.push(pointer);
        return pointer;
      });
      const run = kernels[kernel] as (...args: number[]) => void;
      const cost = (COSTS[kernel] as (...args: number[]) => Cost)(...values);
      run(...values); // takes new memory into use, which is slow
      const best = { kernel: Number.POSITIVE_INFINITY, copy: Number.POSITIVE_INFINITY, peak: 0 };
      for (const end = performance.now() + milliseconds; performance.now() < end; ) {
        best.kernel = Math.min(
          best.kernel,
          time(() => run(...values)),
        );
        best.copy = Math.min(
          best.copy,
          time(() => kernels.copy(target, source, COPY_ELEMENTS)),
        );
        if (cost.flops === 0) continue;
        let operations = 0;
        const elapsed = time(() => void (operations = backend.multiplyAdds(PEAK_TASKS * backend.threads)));
        best.peak = Math.max(best.peak, operations / elapsed / 1e6);
      }
      for (const pointer of pointers) heap.free(pointer);
      rows.push({
        engine,
        kernel,
        shape,
        threads: backend.threads,
        milliseconds: best.kernel,
        gflops: cost.flops / best.kernel / 1e6,
        peakGflops: best.peak,
        gigabytes: cost.bytes / best.kernel / 1e6,
        copyGigabytes: (8 * COPY_ELEMENTS) / best.copy / 1e6,
      });
    }
    return rows;
  } finally {
    backend.close();
  }

  function allocate(count: number): Pointer {
    return heap.allocate(4 * count, "bench kernels");
  }
  function fill(pointer: Pointer, count: number): Pointer {
    kernels.fill(pointer, count, 0.01);
    return pointer;
  }
  function index(pointer: Pointer, { indices: count, below }: Indices): Pointer {
    const values = Int32Array.from({ length: count }, (_, i) => i % below);
    heap.upload(pointer, new Uint8Array(values.buffer));
    return pointer;
  }
}

function time(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}
