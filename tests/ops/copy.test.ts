import { describeOp, sizesAround } from "./describe-op.js";

describeOp("copy", {
  cases: sizesAround(16, 40_009).map((count) => ({ count })),
  setup: ({ count }, draw) => ({
    inputs: { x: draw.normal(count) },
    outputs: { y: count },
    run: (kernels, at) => kernels.copy(at.y, at.x, count),
  }),
});
