import { describeOp, sizesAround } from "./describe-op.js";

describeOp("adamw", {
  cases: [...sizesAround(16, 40_009).map((count) => ({ count, gradScale: 0.5 })), { count: 17, gradScale: Number.NaN }],
  setup: ({ count, gradScale }, draw) => ({
    inputs: {
      gradient: draw.normal(count),
      gradScale: Float32Array.of(gradScale),
      scalars: Float32Array.of(1e-2, 3e-2, 2.5, 1e-8),
      squares: draw.uniform(count),
    },
    outputs: { v: count },
    sums: { parameter: count, m: count },
    run: (kernels, at) => {
      kernels.copy(at.v, at.squares, count);
      kernels.adamw(at.parameter, at.m, at.v, at.gradient, at.gradScale, at.scalars, count, 0.75, 0.05, 0.9, 0.999);
    },
  }),
});
