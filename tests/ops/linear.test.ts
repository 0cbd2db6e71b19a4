import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("linear", {
  cases: [
    { rows: 0, inDim: 5, outDim: 3, bias: true },
    { rows: 1, inDim: 1, outDim: 1, bias: true },
    { rows: 5, inDim: 3, outDim: 7, bias: false },
    { rows: 6, inDim: 8, outDim: 8, bias: true },
    { rows: 7, inDim: 9, outDim: 9, bias: true },
    { rows: 11, inDim: 17, outDim: 13, bias: true },
    { rows: 12, inDim: 16, outDim: 1, bias: true },
    { rows: 1, inDim: 40, outDim: 33, bias: false },
    { rows: 149, inDim: 101, outDim: 67, bias: true },
    { rows: 37, inDim: 397, outDim: 29, bias: true },
    { rows: 401, inDim: 31, outDim: 157, bias: true },
  ],
  shapes: fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    inDim: fc.integer({ min: 1, max: 40 }),
    outDim: fc.integer({ min: 1, max: 40 }),
    bias: fc.boolean(),
  }),
  setup: ({ rows, inDim, outDim, bias }, draw) => ({
    inputs: {
      x: draw.normal(rows * inDim),
      weight: draw.normal(outDim * inDim),
      bias: bias ? draw.normal(outDim) : undefined,
      dy: draw.normal(rows * outDim),
    },
    outputs: { y: rows * outDim, dx: rows * inDim },
    sums: { dWeight: outDim * inDim, dBias: bias ? outDim : undefined },
    run: (kernels, at) => {
      kernels.linear(at.y, at.x, at.weight, at.bias, rows, inDim, outDim);
      kernels.linearGradInput(at.dx, at.dy, at.weight, rows, inDim, outDim);
      kernels.linearGradWeight(at.dWeight, at.dBias, at.dy, at.x, rows, inDim, outDim);
    },
    loss: { y: "dy" },
    gradients: { x: "dx", weight: "dWeight", bias: "dBias" },
  }),
});
