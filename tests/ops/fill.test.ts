import { describeOp, sizesAround } from "./describe-op.js";

describeOp("fill", {
  cases: sizesAround(16, 40_009).map((count) => ({ count })),
  setup: ({ count }) => ({ inputs: {}, outputs: { y: count }, run: (kernels, at) => kernels.fill(at.y, count, -2.75) }),
});
