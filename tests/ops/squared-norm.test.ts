import { describeOp, sizesAround } from "./describe-op.js";

describeOp("squaredNorm", {
  cases: [...sizesAround(16, 10_007), 100_003].map((count) => ({ count })),
  setup: ({ count }, draw) => ({
    inputs: { x: draw.normal(count) },
    outputs: { y: 1 },
    run: (kernels, at) => kernels.squaredNorm(at.y, at.x, count),
  }),
});
