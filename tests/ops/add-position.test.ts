import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("addPosition", {
  cases: [
    { batch: 1, tokens: 1, dim: 1 },
    { batch: 2, tokens: 3, dim: 5 },
    { batch: 3, tokens: 4, dim: 4 },
    { batch: 4, tokens: 1, dim: 17 },
    { batch: 17, tokens: 50, dim: 31 },
  ],
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 5 }),
    tokens: fc.integer({ min: 1, max: 9 }),
    dim: fc.integer({ min: 1, max: 40 }),
  }),
  setup: ({ batch, tokens, dim }, draw) => ({
    inputs: { x: draw.normal(batch * tokens * dim), position: draw.normal(tokens * dim), dy: draw.normal(batch * tokens * dim) },
    outputs: { y: batch * tokens * dim },
    sums: { dPosition: tokens * dim },
    run: (kernels, at) => {
      kernels.addPosition(at.y, at.x, at.position, batch, tokens, dim);
      kernels.addPositionGrad(at.dPosition, at.dy, batch, tokens, dim);
    },
    loss: { y: "dy" },
    gradients: { x: "dy", position: "dPosition" },
  }),
});
