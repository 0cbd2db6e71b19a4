import { describeOp, sizesAround } from "./describe-op.js";

describeOp("add", {
  cases: sizesAround(16, 40_009).map((count) => ({ count })),
  setup: ({ count }, draw) => ({
    inputs: { a: draw.normal(count), b: draw.normal(count) },
    outputs: { y: count },
    inPlace: { y: "a" },
    run: (kernels, at) => kernels.add(at.y, at.a, at.b, count),
  }),
});
