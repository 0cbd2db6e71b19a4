// A tiny ONNX writer (protobuf by hand) and the encoder graph, so that the ORT benches need no Python.
const cat = (parts) => Buffer.concat(parts.map((p) => (p.buffer ? Buffer.from(p.buffer, p.byteOffset, p.byteLength) : p)));
const varint = (n) => {
  const b = [];
  let v = BigInt(n);
  if (v < 0n) v += 1n << 64n;
  do {
    b.push(Number(v & 127n) | (v > 127n ? 128 : 0));
    v >>= 7n;
  } while (v);
  return Buffer.from(b);
};
const int = (f, n) => cat([varint(f << 3), varint(n)]);
const len = (f, bytes) => cat([varint((f << 3) | 2), varint(bytes.byteLength), bytes]);
const str = (f, s) => len(f, Buffer.from(s));
const FLOAT = 1,
  INT64 = 7;
const valueInfo = (f, name, dims) =>
  len(f, cat([str(1, name), len(2, len(1, cat([int(1, FLOAT), len(2, cat(dims.map((d) => len(1, int(1, d)))))])))]));
function attr(name, v) {
  if (Array.isArray(v)) return len(5, cat([str(1, name), ...v.map((x) => int(8, x)), int(20, INT64)]));
  if (typeof v === "string") return len(5, cat([str(1, name), str(4, v), int(20, 3)]));
  if (typeof v === "bigint") return len(5, cat([str(1, name), int(3, v), int(20, 2)]));
  const b = Buffer.alloc(4);
  b.writeFloatLE(v);
  return len(5, cat([str(1, name), cat([varint((2 << 3) | 5), b]), int(20, 1)]));
}

export class Graph {
  nodes = [];
  inits = [];
  n = 0;
  init(name, dims, data) {
    const type = data instanceof BigInt64Array ? INT64 : FLOAT;
    this.inits.push(len(5, cat([...dims.map((d) => int(1, d)), int(2, type), str(8, name), len(9, data)])));
    return name;
  }
  ints(v) {
    return this.init("i" + this.n++, [v.length], BigInt64Array.from(v, BigInt));
  }
  op(type, inputs, attrs = {}, outputs = 1, domain = "") {
    const out = Array.from({ length: outputs }, () => "t" + this.n++);
    this.nodes.push(
      len(
        1,
        cat([
          ...inputs.map((i) => str(1, i)),
          ...out.map((o) => str(2, o)),
          str(4, type),
          ...Object.entries(attrs).map(([k, v]) => attr(k, v)),
          ...(domain ? [str(7, domain)] : []),
        ]),
      ),
    );
    return outputs === 1 ? out[0] : out;
  }
  model(inputs, outputs) {
    const io = (f, o) => Object.entries(o).map(([k, v]) => valueInfo(f, k, v));
    const graph = cat([...this.nodes, str(2, "g"), ...this.inits, ...io(11, inputs), ...io(12, outputs)]);
    return cat([int(1, 9), len(7, graph), len(8, int(2, 20)), len(8, cat([str(1, "com.microsoft"), int(2, 1)]))]);
  }
}

/** Encoder forward. attention: 'mha' (com.microsoft.MultiHeadAttention, the fused CPU kernel) or 'basic' (MatMul, Softmax, MatMul). */
export function encoder(c, list, attention = "mha") {
  const g = new Graph(),
    { d, heads: H, seq: N, batch: B } = c,
    hd = d / H;
  for (const p of list) if (!p.name.startsWith("head")) g.init(p.name, p.shape, p.data());
  const lin = (x, n) => g.op("Add", [g.op("MatMul", [x, n + ".w"]), n + ".b"]);
  const ln = (x, n) => g.op("LayerNormalization", [x, n + ".g", n + ".b"], { axis: -1n, epsilon: 1e-6 });
  const [scale, hshape, mshape] =
    attention === "mha" ? [] : [g.init("scale", [], new Float32Array([hd ** -0.5])), g.ints([B, N, H, hd]), g.ints([B, N, d])];
  let x = g.op("Add", [lin("x", "embed"), "pos"]);
  for (let l = 0; l < c.layers; l++) {
    const L = `l${l}.`;
    let [q, k, v] = g.op("Split", [lin(ln(x, L + "ln1"), L + "qkv")], { axis: -1n, num_outputs: 3n }, 3),
      o;
    if (attention === "mha") o = g.op("MultiHeadAttention", [q, k, v], { num_heads: BigInt(H) }, 1, "com.microsoft");
    else {
      const heads = (t, perm) => g.op("Transpose", [g.op("Reshape", [t, hshape])], { perm });
      const s = g.op("MatMul", [g.op("Mul", [heads(q, [0, 2, 1, 3]), scale]), heads(k, [0, 2, 3, 1])]);
      const a = g.op("MatMul", [g.op("Softmax", [s], { axis: -1n }), heads(v, [0, 2, 1, 3])]);
      o = g.op("Reshape", [g.op("Transpose", [a], { perm: [0, 2, 1, 3] }), mshape]);
    }
    x = g.op("Add", [x, lin(o, L + "proj")]);
    x = g.op("Add", [x, lin(g.op("Gelu", [lin(ln(x, L + "ln2"), L + "fc1")]), L + "fc2")]);
  }
  const y = ln(x, "lnf");
  return { bytes: g.model({ x: [B, N, c.patch] }, { [y]: [B, N, d] }), input: "x", output: y, dims: [B, N, c.patch] };
}

/** y = x @ w with w a constant, as in an exported model (ORT packs constant weights once, at load). */
export function gemm(m, k, n, w) {
  const g = new Graph();
  g.init("w", [k, n], w);
  const y = g.op("MatMul", ["x", "w"]);
  return { bytes: g.model({ x: [m, k] }, { [y]: [m, n] }), input: "x", output: y, dims: [m, k] };
}
