import { describeOp, sizesAround } from "./describe-op.js";

describeOp("gelu", {
  cases: sizesAround(16, 40_009).flatMap((count) => [
    { count, scale: 1 },
    { count, scale: 8 },
  ]),
  setup: ({ count, scale }, draw) => ({
    inputs: { x: draw.normal(count, scale), dy: draw.normal(count) },
    outputs: { y: count, dx: count },
    inPlace: { dx: "dy" },
    run: (kernels, at) => {
      kernels.gelu(at.y, at.x, count);
      kernels.geluGrad(at.dx, at.dy, at.x, count);
    },
    loss: { y: "dy" },
    gradients: { x: "dx" },
  }),
});
