import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("averageLayer", {
  cases: [0, 1, 2].flatMap((normalization) => [
    { batch: 1, tokens: 2, dim: 3, first: 0, normalization, accumulate: false },
    { batch: 2, tokens: 5, dim: 4, first: 1, normalization, accumulate: true },
    { batch: 3, tokens: 4, dim: 5, first: 1, normalization, accumulate: false },
    { batch: 2, tokens: 17, dim: 16, first: 0, normalization, accumulate: true },
    { batch: 17, tokens: 50, dim: 37, first: 1, normalization, accumulate: true },
  ]),
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    tokens: fc.integer({ min: 3, max: 9 }),
    dim: fc.integer({ min: 3, max: 40 }),
    first: fc.integer({ min: 0, max: 1 }),
    normalization: fc.integer({ min: 0, max: 2 }),
    accumulate: fc.boolean(),
  }),
  setup: ({ batch, tokens, dim, first, normalization, accumulate }, draw) => {
    const count = batch * tokens * dim;
    return {
      inputs: { x: draw.normal(count, 3).map((value) => value + 1) },
      outputs: { fresh: accumulate ? undefined : count },
      sums: { target: accumulate ? count : undefined },
      run: (kernels, at) =>
        kernels.averageLayer(
          accumulate ? at.target : at.fresh,
          at.x,
          batch,
          tokens,
          dim,
          first,
          normalization,
          1 / 3,
          1e-5,
          accumulate ? 1 : 0,
        ),
    };
  },
});
