import { describeOp, sizesAround } from "./describe-op.js";

describeOp("binaryCrossEntropy", {
  cases: sizesAround(16, 1009).flatMap((count) => [
    { count, scale: 1 },
    { count, scale: 20 },
  ]),
  setup: ({ count, scale }, draw) => ({
    inputs: { logits: draw.normal(count, scale), targets: draw.uniform(count), normalizer: Float32Array.of(count) },
    outputs: { stats: 1, dLogits: count },
    scalars: ["stats"],
    run: (kernels, at) => kernels.binaryCrossEntropy(at.stats, at.dLogits, at.logits, at.targets, at.normalizer, count),
    loss: { stats: [1] },
    gradients: { logits: "dLogits" },
  }),
});
