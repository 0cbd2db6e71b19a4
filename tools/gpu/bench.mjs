/**
 * Times kernels on one CUDA device: `node bench.mjs MILLISECONDS PRECISION`. One JSON to stdout: a row for each kernel at the sizes of ViT-B
 * with 64 images: microseconds, GB/s of what it must read and write, TFLOP/s of products.
 */
import { openBackend } from "./dist/backend/open.js";

const milliseconds = Number(process.argv[2] ?? 150);
const precision = process.argv[3] ?? "f32";
const backend = await openBackend("cuda", { precision });
const { heap, kernels: state } = backend;
const kernels = backend.bf16Kernels ?? state;
const activationBytes = backend.bf16Kernels === undefined ? 4 : 2;
/** What of parameters is written twice, in float32. */
const mirror = backend.bf16Kernels === undefined ? 0 : 0.5;
const [batch, tokens, dim, heads, ffn] = [64, 197, 768, 12, 3072];
const rows = batch * tokens;
const parameters = 2 ** 26;
const buffers = new Map();

/** A buffer that holds as many float32, made once; its contents are zeros, which takes kernels as long as any other. */
function x(name, count = rows * dim, parameters = false) {
  const key = `${name} ${count}`;
  if (!buffers.has(key)) {
    const pointer = heap.allocate(4 * count, name, parameters);
    state.fill(pointer, count, 0);
    buffers.set(key, pointer);
  }
  return buffers.get(key);
}
const weight = (count) => x("weight", count, true);
const one = x("one", 1);
state.fill(one, 1, 1);
const rng = x("rng", 4);
const value = rows * dim;
const inner = rows * ffn;
const pairs = heads * tokens * tokens;

/** name, run, activations read and written, floating-point operations, float32 read and written. */
const CASES = [
  ["copy", () => kernels.copy(x("y", parameters), x("x", parameters), parameters), 2 * parameters],
  ["add", () => kernels.add(x("y"), x("a"), x("b"), value), 3 * value],
  ["gelu", () => kernels.gelu(x("y", inner), x("x", inner), inner), 2 * inner],
  ["geluGrad", () => kernels.geluGrad(x("y", inner), x("a", inner), x("x", inner), inner), 3 * inner],
  ["dropout", () => kernels.dropout(x("y"), x("x"), rng, batch, tokens * dim, 0.1, 1), 2 * value],
  ["residual", () => kernels.residual(x("y"), x("r"), x("x"), x("gamma", dim), rng, batch, tokens, dim, 0.1, 1), 3 * value],
  [
    "residualGrad",
    () => kernels.residualGrad(x("dx"), x("dGamma", dim), x("dy"), x("x"), x("gamma", dim), rng, batch, tokens, dim, 0.1, 1),
    3 * value,
  ],
  [
    "layerNorm",
    () => kernels.layerNorm(x("y"), x("mean", rows), x("rstd", rows), x("x"), x("w", dim), x("b", dim), rows, dim, 1e-6),
    2 * value,
  ],
  [
    "layerNormGrad",
    () =>
      kernels.layerNormGrad(x("dx"), x("dw", dim), x("db", dim), x("dy"), x("x"), x("w", dim), x("mean", rows), x("rstd", rows), rows, dim),
    3 * value,
  ],
  ["averageLayer rows", () => kernels.averageLayer(x("target"), x("x"), batch, tokens, dim, 1, 1, 0.1, 1e-5, 1), value, 0, 2 * value],
  ["averageLayer channels", () => kernels.averageLayer(x("target"), x("x"), batch, tokens, dim, 1, 2, 0.1, 1e-5, 1), value, 0, 2 * value],
  [
    "regression",
    () => kernels.regression(x("stats", 4), x("dp"), x("p"), x("target"), x("index", rows), one, rows, dim, 2, 1),
    2 * value,
    0,
    value,
  ],
  [
    "adamw",
    () =>
      state.adamw(
        x("p", parameters, true),
        x("m", parameters),
        x("v", parameters),
        x("g", parameters),
        one,
        x("scalars", 4),
        parameters,
        1,
        0.05,
        0.9,
        0.999,
      ),
    0,
    0,
    (7 + mirror) * parameters,
  ],
  ["ema", () => state.ema(x("t", parameters, true), x("p", parameters, true), one, parameters), 0, 0, (3 + mirror) * parameters],
  ["squaredNorm", () => state.squaredNorm(one, x("g", parameters), parameters), 0, 0, parameters],
  ["linear", () => kernels.linear(x("y", inner), x("x"), weight(dim * ffn), x("B", ffn, true), rows, dim, ffn), 0, 2 * rows * dim * ffn],
  ["linearGradInput", () => kernels.linearGradInput(x("dx"), x("dy", inner), weight(dim * ffn), rows, dim, ffn), 0, 2 * rows * dim * ffn],
  [
    "linearGradWeight",
    () => kernels.linearGradWeight(x("dW", dim * ffn), x("dB", ffn), x("dy", inner), x("x"), rows, dim, ffn),
    0,
    2 * rows * dim * ffn,
  ],
  [
    "attention",
    () =>
      kernels.attention(
        x("out"),
        x("lse", batch * heads * tokens),
        x("qkv", 3 * value),
        x("bias", pairs),
        0,
        0,
        0,
        rng,
        batch,
        tokens,
        heads,
        dim / heads,
        0,
        1,
      ),
    0,
    4 * batch * tokens * tokens * dim,
  ],
  [
    "attentionGrad",
    () =>
      kernels.attentionGrad(
        x("dqkv", 3 * value),
        x("dbias", pairs),
        0,
        x("dout"),
        x("out"),
        x("lse", batch * heads * tokens),
        x("qkv", 3 * value),
        x("bias", pairs),
        0,
        0,
        0,
        rng,
        batch,
        tokens,
        heads,
        dim / heads,
        0,
        1,
      ),
    0,
    10 * batch * tokens * tokens * dim,
  ],
];

/** Seconds of one run: the best of some samples of many runs each. */
async function secondsOf(run) {
  run();
  await backend.synchronize();
  let repeats = 1;
  let best = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const started = performance.now();
    for (let i = 0; i < repeats; i++) run();
    await backend.synchronize();
    const seconds = (performance.now() - started) / 1000;
    best = Math.min(best, seconds / repeats);
    if (seconds < 0.01) repeats *= 2;
  }
  return best;
}

const kernelRows = [];
for (const [kernel, run, activations, operations = 0, floats = 0] of CASES) {
  try {
    const seconds = await secondsOf(run);
    const moved = activationBytes * activations + 4 * floats;
    kernelRows.push({
      kernel,
      microseconds: 1e6 * seconds,
      ...(moved > 0 && { gigabytesPerSecond: moved / seconds / 1e9 }),
      ...(operations > 0 && { teraflops: operations / seconds / 1e12 }),
    });
  } catch (error) {
    kernelRows.push({ kernel, error: error.message });
  }
}
/** The longest that the event loop stands still while the device has some hundred milliseconds of work and a read waits for it. */
async function eventLoopPause() {
  const product = CASES.find(([name]) => name === "linear")[1];
  const seconds = await secondsOf(product);
  for (let i = 0; i < 0.3 / seconds; i++) product();
  let longest = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - before);
    before = performance.now();
  }, 1);
  const started = performance.now();
  await heap.download(one, 4);
  const waited = performance.now() - started;
  clearInterval(timer);
  return { waitedMilliseconds: waited, longestPauseMilliseconds: longest };
}

const eventLoop = await eventLoopPause();
backend.close();
console.log(JSON.stringify({ precision, eventLoop, sizes: { batch, tokens, dim, heads, ffn, parameters }, kernels: kernelRows }));
