import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("gatherRows", {
  cases: [
    { count: 0, xRows: 3, dim: 5 },
    { count: 1, xRows: 1, dim: 1 },
    { count: 3, xRows: 2, dim: 3 },
    { count: 4, xRows: 9, dim: 4 },
    { count: 5, xRows: 3, dim: 5 },
    { count: 16, xRows: 40, dim: 17 },
    { count: 1009, xRows: 211, dim: 37 },
  ],
  shapes: fc.record({
    count: fc.integer({ min: 1, max: 30 }),
    xRows: fc.integer({ min: 1, max: 30 }),
    dim: fc.integer({ min: 1, max: 30 }),
  }),
  setup: ({ count, xRows, dim }, draw) => ({
    inputs: { x: draw.normal(xRows * dim), index: draw.ints(count, -1, xRows), dy: draw.normal(count * dim) },
    outputs: { y: count * dim, dx: xRows * dim },
    run: (kernels, at) => {
      kernels.gatherRows(at.y, at.x, at.index, count, dim);
      kernels.gatherRowsGrad(at.dx, at.dy, at.index, count, xRows, dim);
    },
    loss: { y: "dy" },
    gradients: { x: "dx" },
  }),
});
