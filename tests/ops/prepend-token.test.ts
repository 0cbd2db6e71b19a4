import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("prependToken", {
  cases: [
    { batch: 1, tokens: 1, dim: 1 },
    { batch: 2, tokens: 3, dim: 3 },
    { batch: 3, tokens: 4, dim: 4 },
    { batch: 2, tokens: 5, dim: 5 },
    { batch: 17, tokens: 49, dim: 31 },
  ],
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 5 }),
    tokens: fc.integer({ min: 1, max: 9 }),
    dim: fc.integer({ min: 1, max: 40 }),
  }),
  setup: ({ batch, tokens, dim }, draw) => ({
    inputs: { x: draw.normal(batch * tokens * dim), token: draw.normal(dim), dy: draw.normal(batch * (tokens + 1) * dim) },
    outputs: { y: batch * (tokens + 1) * dim, dx: batch * tokens * dim },
    sums: { dToken: dim },
    run: (kernels, at) => {
      kernels.prependToken(at.y, at.x, at.token, batch, tokens, dim);
      kernels.prependTokenGrad(at.dx, at.dToken, at.dy, batch, tokens, dim);
    },
    loss: { y: "dy" },
    gradients: { x: "dx", token: "dToken" },
  }),
});
