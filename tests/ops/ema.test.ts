import { describeOp, sizesAround } from "./describe-op.js";

describeOp("ema", {
  cases: sizesAround(16, 40_009).map((count) => ({ count })),
  setup: ({ count }, draw) => ({
    inputs: { student: draw.normal(count), decay: Float32Array.of(0.9998) },
    sums: { teacher: count },
    run: (kernels, at) => kernels.ema(at.teacher, at.student, at.decay, count),
  }),
});
