// TensorFlow.js 4.22, WASM backend. Default variant: hand-written gradients that avoid tfjs-wasm's slow kernels (transposed or
// batched matMul run at 2 GFLOP/s, slice copies its whole input). --variant stock: what a user gets from the plain ops and autograd.
import { createRequire } from "node:module";
import { dirname } from "node:path";
import tf from "@tensorflow/tfjs";
import * as ns from "@tensorflow/tfjs-backend-wasm";
import * as C from "./common.mjs";
import { enableThreads } from "./tfjs_threads.mjs";

const wasm = ns.default ?? ns,
  a = C.args(),
  stock = a.variant === "stock";
wasm.setWasmPaths(dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm")) + "/");
if (a.threads > 1) enableThreads(tf, wasm, a.threads);
await tf.setBackend("wasm");
const flag = (n) => tf.env().getAsync(n);
const info = {
  version: tf.version_core,
  simd: await flag("WASM_HAS_SIMD_SUPPORT"),
  threaded: await flag("WASM_HAS_MULTITHREAD_SUPPORT"),
  threadsCount: wasm.getThreadsCount(),
};
const done = (check, r) => {
  C.emit("tfjs", a, r, check, info);
  process.exit(0);
};

if (a.mode === "gemm") {
  const [m, k, n] = a.config.split("x").map(Number),
    x = tf.tensor(C.rand(1, m * k), [m, k]),
    w = tf.tensor(C.rand(2, k * n), [k, n]);
  done(C.meanAbs(tf.matMul(x, w).dataSync()), await C.measure(() => tf.matMul(x, w).dispose(), a));
}
const c = C.CONFIGS[a.config],
  { d, heads: H, seq: N, batch: B } = c,
  hd = d / H,
  scale = hd ** -0.5;
const T = (x) => tf.transpose(x, x.rank === 3 ? [0, 2, 1] : [1, 0]);

/** Head by head, since batch 1 takes the fast matMul path. Split in two levels, since each slice copies its whole input. */
const rows = (t) => {
  const n = t.shape[0];
  let g = Math.floor(Math.sqrt(n));
  while (n % g) g--;
  return tf.split(t, g, 0).flatMap((s) => tf.split(s, n / g, 0));
};
const linear = stock
  ? (x, w, b) => tf.add(tf.matMul(x, w), b)
  : tf.customGrad((x, w, b, save) => {
      save([x, w]);
      return {
        value: tf.fused.matMul({ a: x, b: w, bias: b }),
        gradFunc: (dy, [x, w]) => [tf.matMul(dy, T(w)), tf.matMul(T(x), dy), tf.sum(dy, 0)],
      };
    });
const attend = stock
  ? (q, k, v) => tf.matMul(tf.softmax(tf.matMul(tf.mul(q, scale), k, false, true)), v)
  : tf.customGrad((q, k, v, save) => {
      const n = q.shape[0],
        Q = rows(tf.mul(q, scale)),
        K = rows(k),
        V = rows(v);
      const S = Q.map((q, i) => tf.softmax(tf.matMul(q, T(K[i])))),
        value = tf.concat(
          S.map((p, i) => tf.matMul(p, V[i])),
          0,
        );
      save([value, ...Q, ...K, ...V, ...S]);
      const gradFunc = (dy, [o, ...saved]) => {
        const D = rows(dy),
          R = rows(tf.sum(tf.mul(dy, o), -1, true)),
          out = [[], [], []];
        for (let i = 0; i < n; i++) {
          const [q, k, v, p] = [0, 1, 2, 3].map((j) => saved[j * n + i]),
            ds = tf.mul(p, tf.sub(tf.matMul(D[i], T(v)), R[i]));
          out[0].push(tf.matMul(ds, k));
          out[1].push(tf.matMul(T(ds), q));
          out[2].push(tf.matMul(T(p), D[i]));
        }
        const [dq, dk, dv] = out.map((l) => tf.concat(l, 0));
        return [tf.mul(dq, scale), dk, dv];
      };
      return { value, gradFunc };
    });
const norm = (x) => {
  const m = tf.mean(x, -1, true),
    xc = tf.sub(x, m),
    r = tf.rsqrt(tf.add(tf.mean(tf.square(xc), -1, true), C.LN_EPS));
  return [tf.mul(xc, r), r];
};
const layerNorm = stock
  ? (x, g, b) => tf.add(tf.mul(norm(x)[0], g), b)
  : tf.customGrad((x, g, b, save) => {
      const [xh, r] = norm(x);
      save([xh, r, g]);
      return {
        value: tf.add(tf.mul(xh, g), b),
        gradFunc: (dy, [xh, r, g]) => {
          const t = tf.mul(dy, g);
          const dx = tf.mul(tf.sub(tf.sub(t, tf.mean(t, -1, true)), tf.mul(xh, tf.mean(tf.mul(t, xh), -1, true))), r);
          return [dx, tf.sum(tf.mul(dy, xh), 0), tf.sum(dy, 0)];
        },
      };
    });
const cdf = (x) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
const gelu = stock
  ? (x) => tf.mul(x, cdf(x))
  : tf.customGrad((x, save) => {
      const p = cdf(x);
      save([x, p]);
      return {
        value: tf.mul(x, p),
        gradFunc: (dy, [x, p]) => tf.mul(dy, tf.add(p, tf.mul(x, tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))))),
      };
    });

const list = C.params(c),
  vars = (pre) => Object.fromEntries(list.map((p) => [p.name, tf.variable(tf.tensor(p.data(), p.shape), true, pre + p.name)]));
const x = tf.tensor(C.patches(c), [B * N, c.patch]);
function encode(P) {
  let h = tf.reshape(tf.add(tf.reshape(linear(x, P["embed.w"], P["embed.b"]), [B, N, d]), P.pos), [B * N, d]);
  for (let l = 0; l < c.layers; l++) {
    const p = (n) => P[`l${l}.${n}`];
    const qkv = linear(layerNorm(h, p("ln1.g"), p("ln1.b")), p("qkv.w"), p("qkv.b"));
    // a 5-D transpose would run in tfjs-wasm's slow generic kernel, so split first
    const [q, k, v] = tf.split(qkv, 3, 1).map((t) => tf.reshape(tf.transpose(tf.reshape(t, [B, N, H, hd]), [0, 2, 1, 3]), [B * H, N, hd]));
    const o = tf.reshape(tf.transpose(tf.reshape(attend(q, k, v), [B, H, N, hd]), [0, 2, 1, 3]), [B * N, d]);
    h = tf.add(h, linear(o, p("proj.w"), p("proj.b")));
    h = tf.add(h, linear(gelu(linear(layerNorm(h, p("ln2.g"), p("ln2.b")), p("fc1.w"), p("fc1.b"))), p("fc2.w"), p("fc2.b")));
  }
  return layerNorm(h, P["lnf.g"], P["lnf.b"]);
}
const P = vars("s.");
if (a.mode === "fwd")
  done(
    tf.tidy(() => C.meanAbs(encode(P).dataSync())),
    await C.measure(() => tf.tidy(() => void encode(P)), a),
  );

const mk = C.mask(c),
  m = tf.tensor(mk, [B * N, 1]),
  count = mk.reduce((s, v) => s + v) * d,
  { lr, b1, b2, eps, wd } = C.ADAMW;
const names = list.map((p) => p.name),
  mom = names.map((n) => tf.variable(tf.zerosLike(P[n]))),
  vel = names.map((n) => tf.variable(tf.zerosLike(P[n])));
let t = 0;
function train(y) {
  const { value, grads } = tf.variableGrads(
    () => tf.div(tf.sum(tf.mul(tf.squaredDifference(linear(encode(P), P["head.w"], P["head.b"]), y), m)), count),
    names.map((n) => P[n]),
  );
  t++;
  const step = lr / (1 - b1 ** t),
    c2 = 1 / Math.sqrt(1 - b2 ** t);
  for (const [i, n] of names.entries()) {
    tf.tidy(() => {
      const g = grads["s." + n];
      mom[i].assign(tf.add(tf.mul(mom[i], b1), tf.mul(g, 1 - b1)));
      vel[i].assign(tf.add(tf.mul(vel[i], b2), tf.mul(tf.square(g), 1 - b2)));
      P[n].assign(tf.sub(tf.mul(P[n], 1 - lr * wd), tf.div(tf.mul(mom[i], step), tf.add(tf.mul(tf.sqrt(vel[i]), c2), eps))));
    });
  }
  return value.dataSync()[0];
}
let run;
if (a.mode === "train") {
  const y = tf.tensor(C.targets(c), [B * N, d]);
  run = () => tf.tidy(() => train(y));
} else {
  const E = vars("t.");
  run = () =>
    tf.tidy(() => {
      const loss = train(encode(E));
      for (const n of names) if (!n.startsWith("head")) tf.tidy(() => E[n].assign(tf.add(tf.mul(E[n], C.EMA), tf.mul(P[n], 1 - C.EMA))));
      return loss;
    });
}
const first = run();
done(first, await C.measure(run, a));
