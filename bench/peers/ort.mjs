// Body shared by bench_ort_node.mjs and bench_ort_web.mjs. --variant basic: unfused attention.
import * as C from "./common.mjs";
import { encoder, gemm } from "./onnx.mjs";

export async function bench(peer, ort, a, options, info) {
  if (a.mode === "train" || a.mode === "pretrain") throw new Error(peer + ": no training");
  let m, x;
  if (a.mode === "gemm") {
    const [M, K, N] = a.config.split("x").map(Number);
    m = gemm(M, K, N, C.rand(2, K * N));
    x = C.rand(1, M * K);
  } else {
    const c = C.CONFIGS[a.config];
    m = encoder(c, C.params(c), a.variant === "basic" ? "basic" : "mha");
    x = C.patches(c);
  }
  const session = await ort.InferenceSession.create(new Uint8Array(m.bytes), { graphOptimizationLevel: "all", ...options });
  const feeds = { [m.input]: new ort.Tensor("float32", x, m.dims) };
  const run = async () => (await session.run(feeds))[m.output].data;
  const check = C.meanAbs(await run());
  C.emit(peer, a, await C.measure(run, a), check, { version: ort.env.versions.common, ...info() });
}
