/** Runs every kernel of an engine on a small case and holds the result against the reference engine. */
import type { Backend } from "./backend.js";
import type { Kernels, Pointer } from "./kernels.js";
import { Philox } from "./philox.js";
import { createReferenceBackend } from "./reference/index.js";

/** What became of one kernel. */
export interface KernelCheck {
  kernel: keyof Kernels;
  ok: boolean;
  /** Largest difference from the reference, relative to the largest magnitude of its output; null when the kernel failed. */
  difference: number | null;
  /** Why the kernel failed; null when it ran. */
  error: string | null;
}

/** Largest difference that counts as agreement, as in the tests: about a hundred roundings of float32. */
const TOLERANCE = 1e-5;

/** A pointer argument: "out" is written in full, "sum" is added to or changed in place, the others are read. */
interface Buffer {
  kind: "out" | "sum" | "normal" | "positive" | "ints" | "rng";
  count: number;
  low: number;
  high: number;
}
type Argument = number | Buffer;
/** As many arguments as a kernel has parameters. */
type Arguments<P extends unknown[]> = { [I in keyof P]: Argument };

const buffer = (kind: Buffer["kind"], count: number, low = 0, high = 0): Buffer => ({ kind, count, low, high });
const out = (count: number) => buffer("out", count);
const sum = (count: number) => buffer("sum", count);
const x = (count: number) => buffer("normal", count);
const positive = (count: number) => buffer("positive", count);
const ints = (count: number, low: number, high: number) => buffer("ints", count, low, high);
const rng = buffer("rng", 4);

const [batch, tokens, dim, outDim, classes, flat] = [3, 37, 24, 41, 10, 1003];
const rows = batch * tokens;
const values = rows * dim;
const [heads, headDim, tableRows] = [2, 12, 50];
const pairs = tokens * tokens;
const lengths = ints(batch, 1, tokens + 1);
const maxTarget = 4;
const labels = ints(batch * maxTarget, 1, classes);
const labelCounts = ints(batch, 1, maxTarget + 1);
const [channels, side, patch] = [3, 12, 4];
const image = batch * channels * side * side;
const one = positive(1);
const [taps, stride, padding] = [3, 2, 1];
const frames = Math.floor((tokens + 2 * padding - taps) / stride) + 1;
const convolution = [batch, tokens, dim, outDim, taps, stride, padding, 1] as const;
const PURPOSE = 5;

/** The arguments of each kernel, in the order of `kernels.ts`. */
const CASES: { [K in keyof Kernels]: Arguments<Parameters<Kernels[K]>> } = {
  fill: [out(flat), flat, 1.5],
  copy: [out(flat), x(flat), flat],
  add: [out(flat), x(flat), x(flat), flat],
  dropout: [out(values), x(values), rng, batch, tokens * dim, 0.3, PURPOSE],
  residual: [out(values), x(values), x(values), x(dim), rng, batch, tokens, dim, 0.4, PURPOSE],
  residualGrad: [out(values), sum(dim), x(values), x(values), x(dim), rng, batch, tokens, dim, 0.4, PURPOSE],
  linear: [out(rows * outDim), x(values), x(outDim * dim), x(outDim), rows, dim, outDim],
  linearGradInput: [out(values), x(rows * outDim), x(outDim * dim), rows, dim, outDim],
  linearGradWeight: [sum(outDim * dim), sum(outDim), x(rows * outDim), x(values), rows, dim, outDim],
  linearGelu: [out(rows * outDim), out(rows * outDim), x(values), x(outDim * dim), x(outDim), rows, dim, outDim],
  linearResidual: [
    ...[out(rows * outDim), out(rows * outDim), x(rows * outDim), x(values), x(outDim * dim), x(outDim), x(outDim), rng],
    ...[batch, tokens, dim, outDim, 0.4, PURPOSE],
  ] as Arguments<Parameters<Kernels["linearResidual"]>>,
  gelu: [out(flat), x(flat), flat],
  geluGrad: [out(flat), x(flat), x(flat), flat],
  layerNorm: [out(values), out(rows), out(rows), x(values), x(dim), x(dim), rows, dim, 1e-6],
  layerNormGrad: [out(values), sum(dim), sum(dim), x(values), x(values), x(dim), x(rows), positive(rows), rows, dim],
  conv1d: [out(batch * frames * outDim), x(values), x(outDim * taps * dim), x(outDim), ...convolution],
  conv1dGradInput: [out(values), x(batch * frames * outDim), x(outDim * taps * dim), ...convolution],
  conv1dGradWeight: [sum(outDim * taps * dim), sum(outDim), x(batch * frames * outDim), x(values), ...convolution],
  layerNormGelu: [out(values), out(rows), out(rows), x(values), x(dim), x(dim), rows, dim, 1e-6],
  layerNormGeluGrad: [out(values), sum(dim), sum(dim), x(values), x(values), x(dim), x(dim), x(rows), positive(rows), rows, dim],
  attention: attentionCase([out(values), out(batch * heads * tokens)]),
  attentionGrad: attentionCase([out(3 * values), sum(heads * pairs), sum(heads), x(values), x(values), x(batch * heads * tokens)]),
  relativeBias: [out(heads * pairs), x(tableRows * heads), ints(pairs, 0, tableRows), heads, pairs],
  relativeBiasGrad: [sum(tableRows * heads), x(heads * pairs), ints(pairs, 0, tableRows), heads, pairs, tableRows],
  maskRows: [out(values), x(values), x(dim), ints(rows, 0, 2), rows, dim],
  maskRowsGrad: [out(values), sum(dim), x(values), ints(rows, 0, 2), rows, dim],
  gatherRows: [out(flat * dim), x(values), ints(flat, -1, rows), flat, dim],
  gatherRowsGrad: [out(values), x(flat * dim), ints(flat, -1, rows), flat, rows, dim],
  prependToken: [out(values + batch * dim), x(values), x(dim), batch, tokens, dim],
  prependTokenGrad: [out(values), sum(dim), x(values + batch * dim), batch, tokens, dim],
  addPosition: [out(values), x(values), x(tokens * dim), batch, tokens, dim],
  addPositionGrad: [sum(tokens * dim), x(values), batch, tokens, dim],
  patchify: [out(image), x(image), batch, channels, side, side, patch],
  meanPool: [out(batch * dim), x(values), lengths, batch, tokens, dim, 1],
  meanPoolGrad: [out(values), x(batch * dim), lengths, batch, tokens, dim, 1],
  embedding: [out(rows * dim), x(tableRows * dim), ints(rows, 0, tableRows), rows, dim],
  embeddingGrad: [sum(tableRows * dim), x(rows * dim), ints(rows, 0, tableRows), rows, dim, 3],
  tanhActivation: [out(flat), x(flat), flat],
  tanhActivationGrad: [out(flat), x(flat), x(flat), flat],
  layerSkip: [out(values), x(values), x(values), rng, batch, tokens * dim, 0.5, PURPOSE],
  layerSkipGrad: [out(values), out(values), x(values), rng, batch, tokens * dim, 0.5, PURPOSE],
  maskChannels: [out(values), x(values), ints(batch * dim, 0, 2), batch, tokens, dim],
  averageLayer: [sum(values), x(values), batch, tokens, dim, 1, 2, 0.5, 1e-5, 1],
  regression: [out(4), out(values), x(values), x(values), ints(rows, -1, 2), one, rows, dim, 0.5, 0.1],
  crossEntropy: [out(2), out(rows * classes), x(rows * classes), positive(rows * classes), one, rows, classes],
  binaryCrossEntropy: [out(1), out(flat), x(flat), positive(flat), one, flat],
  ctc: [out(2), out(rows * classes), x(rows * classes), labels, labelCounts, lengths, one, batch, tokens, classes, maxTarget, 0],
  squaredNorm: [out(1), x(flat), flat],
  clipScale: [out(1), one, 0.1],
  adamw: [sum(flat), sum(flat), sum(flat), x(flat), one, positive(4), flat, 0.7, 0.05, 0.9, 0.999],
  ema: [sum(flat), x(flat), one, flat],
};

/** The arguments that forward and backward share, behind those of their own. */
function attentionCase<A extends Argument[]>(own: [...A]) {
  const biases = [x(heads * pairs), positive(heads), ints(rows, -1, tokens)] as const;
  const shared = [x(3 * values), ...biases, lengths, rng, batch, tokens, heads, headDim, 0.2, PURPOSE] as const;
  return [...own, ...shared] as [...A, ...typeof shared];
}

/** Checks every kernel of `backend` on activations in float32; the order is that of `kernels.ts`. */
export async function verifyKernels(backend: Backend): Promise<KernelCheck[]> {
  const reference = createReferenceBackend();
  const checks: KernelCheck[] = [];
  try {
    for (const kernel of Object.keys(CASES) as (keyof Kernels)[]) {
      const expected = await runKernel(reference, kernel);
      try {
        const difference = largestDifference(await runKernel(backend, kernel), expected);
        checks.push({ kernel, ok: difference <= TOLERANCE, difference, error: null });
      } catch (error) {
        checks.push({ kernel, ok: false, difference: null, error: (error as Error).message });
      }
    }
  } finally {
    reference.close();
  }
  return checks;
}

/** Contents of the written buffers after a call. */
async function runKernel({ heap, kernels }: Backend, kernel: keyof Kernels): Promise<Float32Array[]> {
  const stream = new Philox(0, `verify ${kernel}`);
  const pointers: Pointer[] = [];
  const written: { pointer: Pointer; byteLength: number }[] = [];
  const args = (CASES[kernel] as readonly Argument[]).map((argument, i) => {
    if (typeof argument === "number") return argument;
    const contents = fillBuffer(argument, stream);
    const pointer = heap.allocate(contents.byteLength, `${kernel} argument ${i}`);
    pointers.push(pointer);
    heap.upload(pointer, new Uint8Array(contents.buffer));
    if (argument.kind === "out" || argument.kind === "sum") written.push({ pointer, byteLength: contents.byteLength });
    return pointer;
  });
  try {
    (kernels[kernel] as (...args: number[]) => void)(...args);
    const results: Float32Array[] = [];
    for (const { pointer, byteLength } of written) results.push(new Float32Array(await heap.download(pointer, byteLength)));
    return results;
  } finally {
    for (const pointer of pointers) heap.free(pointer);
  }
}

/** Starting contents; what must be written in full starts as NaN. */
function fillBuffer({ kind, count, low, high }: Buffer, stream: Philox): Float32Array | Int32Array | Uint32Array {
  const length = { length: count };
  if (kind === "ints") return Int32Array.from(length, () => low + stream.int(high - low));
  if (kind === "rng") return Uint32Array.from(length, () => stream.uint32());
  if (kind === "out") return new Float32Array(count).fill(Number.NaN);
  return Float32Array.from(length, () => (kind === "normal" ? stream.normal() : stream.uniform()));
}

/** Over all buffers: the largest difference, relative to the buffer's largest magnitude; infinite where one of the two is no number. */
function largestDifference(actual: Float32Array[], expected: Float32Array[]): number {
  let largest = 0;
  for (const [i, wanted] of expected.entries()) {
    const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
    for (let e = 0; e < wanted.length; e++) {
      const difference = Math.abs(actual[i][e] - wanted[e]) / scale;
      largest = Math.max(largest, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    }
  }
  return largest;
}
