import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("meanPool", {
  cases: [
    { batch: 1, tokens: 1, dim: 1, first: 0, lengths: false },
    { batch: 2, tokens: 1, dim: 3, first: 1, lengths: false },
    { batch: 3, tokens: 4, dim: 4, first: 1, lengths: true },
    { batch: 2, tokens: 7, dim: 5, first: 0, lengths: true },
    { batch: 17, tokens: 50, dim: 31, first: 1, lengths: false },
  ],
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 5 }),
    tokens: fc.integer({ min: 1, max: 9 }),
    dim: fc.integer({ min: 1, max: 40 }),
    first: fc.integer({ min: 0, max: 1 }),
    lengths: fc.boolean(),
  }),
  setup: ({ batch, tokens, dim, first, lengths }, draw) => ({
    inputs: {
      x: draw.normal(batch * tokens * dim),
      lengths: lengths ? draw.ints(batch, 0, tokens + 1) : undefined,
      dy: draw.normal(batch * dim),
    },
    outputs: { y: batch * dim, dx: batch * tokens * dim },
    run: (kernels, at) => {
      kernels.meanPool(at.y, at.x, at.lengths, batch, tokens, dim, first);
      kernels.meanPoolGrad(at.dx, at.dy, at.lengths, batch, tokens, dim, first);
    },
    loss: { y: "dy" },
    gradients: { x: "dx" },
  }),
});
