// Shared by every bench_<peer>.mjs: workloads, deterministic weights, timing, the JSON line. common.py mirrors it.
import { createInterface } from "node:readline";

export const CONFIGS = {
  tiny: { d: 128, layers: 4, heads: 4, ffn: 512, seq: 50, batch: 64, patch: 48 },
  small: { d: 256, layers: 6, heads: 4, ffn: 1024, seq: 197, batch: 16, patch: 768 },
  base: { d: 768, layers: 12, heads: 12, ffn: 3072, seq: 197, batch: 4, patch: 768 },
};
export const ADAMW = { lr: 1e-4, b1: 0.9, b2: 0.98, eps: 1e-8, wd: 0.05 },
  EMA = 0.999,
  LN_EPS = 1e-6;

/** Uniform in [-scale, scale), a hash of (seed, index): the same bits in JS and numpy. */
export function rand(seed, n, scale = 1) {
  const out = new Float32Array(n),
    s = Math.imul(seed, 0x9e3779b1);
  for (let i = 0; i < n; i++) {
    let x = (i + s) | 0;
    x ^= x >>> 16;
    x = Math.imul(x, 0x7feb352d);
    x ^= x >>> 15;
    x = Math.imul(x, 0x846ca68b);
    x ^= x >>> 16;
    out[i] = ((x >>> 8) / 8388608 - 1) * scale;
  }
  return out;
}

/** Flat parameter list [{name, shape, data()}]; matrices are [in, out], qkv columns are q|k|v, heads contiguous. */
export function params(c) {
  const list = [];
  const add = (name, shape, scale) => {
    const seed = list.length + 1,
      n = shape.reduce((a, b) => a * b);
    list.push({
      name,
      shape,
      data: () => (scale === "one" ? new Float32Array(n).fill(1) : scale ? rand(seed, n, scale) : new Float32Array(n)),
    });
  };
  const lin = (name, i, o) => {
    add(name + ".w", [i, o], 1 / Math.sqrt(i));
    add(name + ".b", [o], 0);
  };
  const ln = (name) => {
    add(name + ".g", [c.d], "one");
    add(name + ".b", [c.d], 0);
  };
  lin("embed", c.patch, c.d);
  add("pos", [c.seq, c.d], 0.02);
  for (let l = 0; l < c.layers; l++) {
    ln(`l${l}.ln1`);
    lin(`l${l}.qkv`, c.d, 3 * c.d);
    lin(`l${l}.proj`, c.d, c.d);
    ln(`l${l}.ln2`);
    lin(`l${l}.fc1`, c.d, c.ffn);
    lin(`l${l}.fc2`, c.ffn, c.d);
  }
  ln("lnf");
  lin("head", c.d, c.d);
  return list;
}
export const patches = (c) => rand(9001, c.batch * c.seq * c.patch);
export const targets = (c) => rand(9002, c.batch * c.seq * c.d);
/** 1 at the ~60 % of positions that count in the loss. */
export const mask = (c) => rand(9003, c.batch * c.seq).map((v) => (v < 0.2 ? 1 : 0));

/** The sizes in "4x197x12x64", an attention's batch, tokens, heads and head dim. */
export function attentionShape(config) {
  const [batch, tokens, heads, headDim] = config.split("x").map(Number);
  return { batch, tokens, heads, headDim };
}

/**
 * Useful FLOPs of one step: 24 d^2 + 4 N d per token and layer forward, train x3, pretrain x4; gemm "MxKxN": 2MKN; attention, forward and
 * backward: 12 N^2 per sample, head and channel, the six products without computing the scores again.
 */
export function flops(config, mode) {
  if (mode === "gemm") return 2 * config.split("x").reduce((a, b) => a * b, 1);
  if (mode === "attention") {
    const { batch, tokens, heads, headDim } = attentionShape(config);
    return 12 * batch * heads * headDim * tokens * tokens;
  }
  const c = CONFIGS[config];
  return c.batch * c.seq * c.layers * (24 * c.d * c.d + 4 * c.seq * c.d) * { fwd: 1, train: 3, pretrain: 4 }[mode];
}

export function args() {
  const a = { config: "small", mode: "fwd", threads: 1, reps: 5, seconds: 5, turns: false, "turn-seconds": 0.4 };
  const v = process.argv.slice(2);
  for (let i = 0; i < v.length; i++) {
    const k = v[i].replace(/^--/, "");
    if (v[i + 1] === undefined || v[i + 1].startsWith("--")) a[k] = true;
    else {
      const s = v[++i];
      a[k] = s === "" || Number.isNaN(Number(s)) ? s : Number(s);
    }
  }
  return a;
}

/** The value below which the part `at` of the values lies, interpolated. */
export function quantile(values, at) {
  const sorted = [...values].sort((a, b) => a - b),
    place = at * (sorted.length - 1),
    below = Math.floor(place);
  return sorted[below] + (place - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}
export const median = (values) => quantile(values, 0.5);

/** Calls fn, which may be async, at least `calls` times and for `seconds`; milliseconds of each call. */
async function repeat(fn, calls, seconds) {
  const times = [],
    start = performance.now();
  do {
    const t = performance.now();
    await fn();
    times.push(performance.now() - t);
  } while (times.length < calls || performance.now() - start < 1000 * seconds);
  return times;
}

/** Warms up, then times fn for --seconds; with --turns, for --turn-seconds whenever a line "go" comes in, and prints the median of each turn. */
export async function measure(fn, a) {
  const warm = await repeat(fn, 3, 1),
    times = [];
  if (a.turns) {
    console.log("ready");
    for await (const line of createInterface({ input: process.stdin })) {
      if (line !== "go") break;
      const turn = await repeat(fn, 1, a["turn-seconds"]);
      times.push(...turn);
      console.log(`turn ${median(turn)}`);
    }
  } else times.push(...(await repeat(fn, a.reps, a.seconds)));
  return { ms: median(times), min_ms: Math.min(...times), reps: times.length, warmup: warm.length };
}

/** The one line on stdout. check: mean |output| (fwd), loss of the first step (train, pretrain). */
export function emit(peer, a, r, check, info = {}) {
  const round = (x) => Number(x.toPrecision(5));
  const out = {
    peer,
    variant: a.variant ?? "",
    config: a.config,
    mode: a.mode,
    threads: a.threads,
    images_per_s: a.config in CONFIGS ? round((CONFIGS[a.config].batch / r.ms) * 1000) : null,
    ms: round(r.ms),
    min_ms: round(r.min_ms),
    gflops: round(flops(a.config, a.mode) / r.ms / 1e6),
    reps: r.reps,
    warmup: r.warmup,
    check: check === null ? null : Number(check.toPrecision(7)),
    ...info,
  };
  console.log(a.json ? JSON.stringify(out) : out);
}
export const meanAbs = (v) => {
  let s = 0;
  for (const x of v) s += Math.abs(x);
  return s / v.length;
};
