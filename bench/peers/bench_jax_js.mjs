// jax-js (@jax-js/jax), WASM backend, one jit per step. --no-relaxed: without relaxed SIMD.
import "./jax_node.mjs";
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, scipySpecial, valueAndGrad } from "@jax-js/jax";
import * as C from "./common.mjs";

const a = C.args();
await init();
defaultDevice("wasm");
const _keep = setInterval(() => {}, 1000),
  arr = (data, shape) => np.array(data).reshape(shape);
const info = { version: "0.1.25", relaxed: !a["no-relaxed"] };
const done = (check, r) => {
  C.emit("jax-js", a, r, check, info);
  process.exit(0);
};
if (a.mode === "gemm") {
  const [m, k, n] = a.config.split("x").map(Number),
    x = arr(C.rand(1, m * k), [m, k]),
    w = arr(C.rand(2, k * n), [k, n]),
    f = jit((x, w) => np.matmul(x, w));
  await blockUntilReady([x, w]);
  const run = async () => {
    const y = f(x.ref, w.ref);
    await y.blockUntilReady();
    return y;
  };
  const check = C.meanAbs(await (await run()).data());
  done(check, await C.measure(async () => (await run()).dispose(), a));
}
const c = C.CONFIGS[a.config],
  { d, heads: H, seq: N, batch: B } = c,
  hd = d / H;
const list = C.params(c),
  P = () => Object.fromEntries(list.map((p) => [p.name, arr(p.data(), p.shape)]));
const linear = (p, n, x) => np.matmul(x, p[n + ".w"].ref).add(p[n + ".b"].ref);
const layerNorm = (p, n, x) =>
  nn
    .standardize(x, -1, { epsilon: C.LN_EPS })
    .mul(p[n + ".g"].ref)
    .add(p[n + ".b"].ref);
const gelu = (x) => x.ref.mul(0.5).mul(scipySpecial.erf(x.mul(Math.SQRT1_2)).add(1));
function encode(p, x) {
  // p is borrowed (every use is a .ref), x is consumed
  let h = linear(p, "embed", x)
    .reshape([B, N, d])
    .add(p.pos.ref)
    .reshape([B * N, d]);
  for (let l = 0; l < c.layers; l++) {
    const L = `l${l}.`,
      qkv = linear(p, L + "qkv", layerNorm(p, L + "ln1", h.ref)).reshape([B, N, 3, H, hd]);
    const t = np.transpose(qkv, [2, 0, 3, 1, 4]),
      [q, k, v] = [0, 1, 2].map((i) => t.ref.slice(i));
    t.dispose();
    const s = nn.softmax(np.matmul(q.mul(hd ** -0.5), np.transpose(k, [0, 1, 3, 2])));
    const o = np.transpose(np.matmul(s, v), [0, 2, 1, 3]).reshape([B * N, d]);
    h = h.add(linear(p, L + "proj", o));
    h = h.ref.add(linear(p, L + "fc2", gelu(linear(p, L + "fc1", layerNorm(p, L + "ln2", h)))));
  }
  return layerNorm(p, "lnf", h);
}
const free = (p) => {
  for (const k in p) p[k].dispose();
};
const x = arr(C.patches(c), [B * N, c.patch]),
  refs = (p) => Object.fromEntries(Object.entries(p).map(([k, v]) => [k, v.ref]));
const p = P();
await blockUntilReady([x, p]);
if (a.mode === "fwd") {
  const f = jit((p, x) => {
    const y = encode(p, x);
    free(p);
    return y;
  });
  const run = async () => {
    const y = f(refs(p), x.ref);
    await y.blockUntilReady();
    return y;
  };
  const check = C.meanAbs(await (await run()).data());
  done(check, await C.measure(async () => (await run()).dispose(), a));
}
const mk = C.mask(c),
  m = arr(mk, [B * N, 1]),
  count = mk.reduce((s, v) => s + v) * d,
  { lr, b1, b2, eps, wd } = C.ADAMW;
const lossFn = (p, x, y, m) => {
  const e = linear(p, "head", encode(p, x)).sub(y);
  free(p);
  return np.square(e).mul(m).sum().div(count);
};
const map = (f, ...t) => Object.fromEntries(Object.keys(t[0]).map((k) => [k, f(...t.map((o) => o[k]))]));
function step(s, x, y, m) {
  // s = {p, mu, nu, c1, c2, ema}: consumed; c1, c2 are AdamW's bias corrections
  const [loss, g] = valueAndGrad(lossFn)(refs(s.p), x, y, m);
  const mu = map((u, g) => u.mul(b1).add(g.mul(1 - b1)), s.mu, refs(g)),
    nu = map((v, g) => v.mul(b2).add(np.square(g).mul(1 - b2)), s.nu, g);
  const p = map((p, u, v) => p.mul(1 - lr * wd).sub(u.mul(s.c1.ref).div(np.sqrt(v).mul(s.c2.ref).add(eps))), s.p, refs(mu), refs(nu));
  s.c1.dispose();
  s.c2.dispose();
  return [loss, { p, mu, nu }];
}
const zeros = () => Object.fromEntries(list.map((q) => [q.name, np.zeros(q.shape)]));
let s = { p, mu: zeros(), nu: zeros() },
  t = 0;
const corr = () => {
  t++;
  return { c1: np.array(lr / (1 - b1 ** t)), c2: np.array(1 / Math.sqrt(1 - b2 ** t)) };
};
let run;
if (a.mode === "train") {
  const y = arr(C.targets(c), [B * N, d]),
    f = jit(step);
  run = async () => {
    let loss;
    [loss, s] = f({ ...s, ...corr() }, x.ref, y.ref, m.ref);
    await blockUntilReady(s);
    return (await loss.data())[0];
  };
} else {
  let e = P();
  for (const k of ["head.w", "head.b"]) {
    e[k].dispose();
    delete e[k];
  }
  const f = jit((s, e, x, m) => {
    const [loss, n] = step(s, x.ref, encode(e, x), m);
    return [
      loss,
      n,
      map(
        (t, w) => t.mul(C.EMA).add(w.mul(1 - C.EMA)),
        e,
        map((_, k) => k, e, Object.fromEntries(Object.keys(e).map((k) => [k, n.p[k].ref]))),
      ),
    ];
  });
  run = async () => {
    let loss;
    [loss, s, e] = f({ ...s, ...corr() }, e, x.ref, m.ref);
    await blockUntilReady([s, e]);
    return (await loss.data())[0];
  };
}
const first = await run();
done(first, await C.measure(run, a));
