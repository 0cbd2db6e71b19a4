// This library: the same network of the library's own modules and ops. --variant cpu (default) or wasm; or peak: the useful operations of the
// job as multiply-adds on registers of the native engine.

import { EmaTeacher } from "../../dist/data2vec/teacher.js";
import { openDevice } from "../../dist/index.js";
import { LayerNorm } from "../../dist/nn/layer-norm.js";
import { Linear } from "../../dist/nn/linear.js";
import { Module } from "../../dist/nn/module.js";
import { ParameterStore } from "../../dist/nn/parameter-store.js";
import { Transformer } from "../../dist/nn/transformer.js";
import { addPosition } from "../../dist/ops/add-position.js";
import { gatherRows } from "../../dist/ops/gather-rows.js";
import { regression } from "../../dist/ops/regression.js";
import { backward } from "../../dist/tensor/tape.js";
import { AdamW } from "../../dist/train/optimizer.js";
import * as C from "./common.mjs";

const a = C.args();
const engine = a.variant === "peak" ? "cpu" : a.variant || "cpu";
const device = await openDevice(engine, { threads: a.threads });
const info = { version: device.backend.description };

if (a.variant === "peak") {
  const { backend } = device;
  const operations = backend.multiplyAdds(backend.threads);
  const tasks = Math.ceil((C.flops(a.config, a.mode) / operations) * backend.threads);
  C.emit("peak", a, await C.measure(() => backend.multiplyAdds(tasks), a), null, info);
  device.close();
  process.exit();
}

if (a.mode === "gemm") {
  const [m, k, n] = a.config.split("x").map(Number);
  const [x, w, y] = [m * k, n * k, m * n].map((count) => device.state([count], "bench"));
  const weight = C.rand(2, k * n);
  x.write(C.rand(1, m * k));
  // The kernel takes the weight as [out, in].
  w.write(Float32Array.from({ length: n * k }, (_, i) => weight[(i % k) * n + Math.floor(i / k)]));
  const run = () => device.kernels.linear(y.ptr, x.ptr, w.ptr, 0, m, k, n);
  run();
  const check = (await y.read()).reduce((sum, value) => sum + Math.abs(value), 0) / y.count;
  C.emit("ours", a, await C.measure(run, a), check, info);
  device.close();
  process.exit();
}

if (a.mode === "attention") {
  const { batch, tokens, heads, headDim } = C.attentionShape(a.config);
  const count = batch * tokens * heads * headDim;
  const [qkv, dQkv, out, dOut] = [3 * count, 3 * count, count, count].map((size) => device.state([size], "bench"));
  const logSumExp = device.state([batch * heads * tokens], "bench");
  qkv.write(C.rand(1, 3 * count));
  dOut.write(C.rand(2, count));
  const { kernels, rng } = device;
  const rest = [qkv.ptr, 0, 0, 0, 0, rng.ptr, batch, tokens, heads, headDim, 0, 0];
  const run = () => {
    kernels.attention(out.ptr, logSumExp.ptr, ...rest);
    kernels.attentionGrad(dQkv.ptr, 0, 0, dOut.ptr, out.ptr, logSumExp.ptr, ...rest);
  };
  run();
  const check = (await dQkv.read()).reduce((sum, value) => sum + Math.abs(value), 0) / dQkv.count;
  C.emit("ours", a, await C.measure(run, a), check, info);
  device.close();
  process.exit();
}

const c = C.CONFIGS[a.config];
const init = { kind: "constant", value: 0 };

class Encoder extends Module {
  constructor() {
    super();
    this.embed = this.child("embed", new Linear(c.patch, c.d, init));
    this.pos = this.parameter("pos", [c.seq, c.d], { init });
    const none = {
      layerScale: null,
      relativePositionRows: null,
      dropout: 0,
      attentionDropout: 0,
      activationDropout: 0,
      dropPath: 0,
      layerDrop: 0,
    };
    const shape = { dim: c.d, depth: c.layers, heads: c.heads, ffnDim: c.ffn, layerNormEps: C.LN_EPS, normFirst: true, keyBias: true };
    this.transformer = this.child("transformer", new Transformer({ ...shape, ...none, initStd: 0, initClip: null, initByDepth: false }));
    this.norm = this.child("norm", new LayerNorm(c.d, C.LN_EPS));
  }
  forward(x) {
    const embedded = addPosition(this.embed.forward(x), this.pos.value);
    return this.norm.forward(this.transformer.forward(embedded, { bias: null, relativeIndex: null, lengths: null, train: true }));
  }
}

/** l0.ln1.g is transformer.blocks.0.norm1.weight; matrices are [in, out] there and [out, in] here. */
function ourName(name) {
  const parts = { ln1: "norm1", ln2: "norm2", qkv: "attention.qkv", proj: "attention.output", fc1: "ffn.up", fc2: "ffn.down", lnf: "norm" };
  return name
    .replace(/^l(\d+)\./, "transformer.blocks.$1.")
    .replace(/\b(ln1|ln2|qkv|proj|fc1|fc2|lnf)\b/, (part) => parts[part])
    .replace(/\.[gw]$/, ".weight")
    .replace(/\.b$/, ".bias");
}
const transposed = (data, [rows, columns]) => Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
function load(store) {
  for (const { name, shape, data } of C.params(c)) {
    const entry = store.entries.find((each) => each.name === ourName(name));
    if (entry) entry.parameter.value.write(shape.length === 2 && name !== "pos" ? transposed(data(), shape) : data());
    else if (!name.startsWith("head")) throw new Error(`no parameter for ${name}`);
  }
}

const student = new Encoder();
const head = new Linear(c.d, c.d, init);
const store = new ParameterStore(device, { "": student, head }, { trainable: a.mode !== "fwd", label: "student" });
load(store);
const x = device.state([c.batch, c.seq, c.patch], "patches");
x.write(C.patches(c));
const rows = device.state([C.mask(c).filter((value) => value === 1).length], "masked rows", "i32");
rows.write(
  Int32Array.from(
    [...C.mask(c).entries()].filter(([, value]) => value === 1),
    ([row]) => row,
  ),
);

if (a.mode === "fwd") {
  const out = device.scoped(() => device.noGrad(() => student.forward(x)).read());
  const check = (await out).reduce((sum, value) => sum + Math.abs(value), 0) / (c.batch * c.seq * c.d);
  C.emit("ours", a, await C.measure(() => device.scoped(() => void device.noGrad(() => student.forward(x))), a), check, info);
} else {
  const { lr, b1, b2, eps, wd } = C.ADAMW;
  const settings = { beta1: b1, beta2: b2, epsilon: eps, weightDecay: wd, weightDecayOn: "all", clipNorm: 0, layerDecay: 1 };
  const optimizer = new AdamW(store, settings, c.layers);
  const given = device.state([c.batch, c.seq, c.d], "targets");
  given.write(C.targets(c));
  let teacher = null;
  let ema = null;
  if (a.mode === "pretrain") {
    teacher = new Encoder();
    const memory = new ParameterStore(device, { "": teacher }, { trainable: false, label: "teacher" });
    load(memory);
    ema = new EmaTeacher(memory, store);
  }
  device.setScalars({ normalizer: rows.count, emaDecay: C.EMA });
  let update = 0;
  const step = async () => {
    optimizer.prepare(++update, lr);
    store.zeroGrad();
    const stats = device.scoped(() => {
      const targets = device.noGrad(() => gatherRows(teacher === null ? given : teacher.forward(x), rows));
      const prediction = head.forward(gatherRows(student.forward(x), rows));
      const loss = regression(prediction, targets, rows, { beta: 0, scale: 1 / c.d });
      backward(loss);
      return loss.read();
    });
    optimizer.step(() => true);
    ema?.update();
    return (await stats)[0];
  };
  const check = await step();
  C.emit("ours", a, await C.measure(step, a), check, info);
}
device.close();
