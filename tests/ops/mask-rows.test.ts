import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("maskRows", {
  cases: [
    { rows: 1, dim: 1 },
    { rows: 3, dim: 3 },
    { rows: 4, dim: 4 },
    { rows: 5, dim: 5 },
    { rows: 17, dim: 31 },
    { rows: 1009, dim: 37 },
  ],
  shapes: fc.record({ rows: fc.integer({ min: 1, max: 30 }), dim: fc.integer({ min: 1, max: 30 }) }),
  setup: ({ rows, dim }, draw) => ({
    inputs: { x: draw.normal(rows * dim), token: draw.normal(dim), mask: draw.ints(rows, 0, 2), dy: draw.normal(rows * dim) },
    outputs: { y: rows * dim, dx: rows * dim },
    sums: { dToken: dim },
    run: (kernels, at) => {
      kernels.maskRows(at.y, at.x, at.token, at.mask, rows, dim);
      kernels.maskRowsGrad(at.dx, at.dToken, at.dy, at.mask, rows, dim);
    },
    loss: { y: "dy" },
    gradients: { x: "dx", token: "dToken" },
  }),
});
