import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("regression", {
  cases: [0, 2, 0.25].flatMap((beta) => [
    { rows: 0, dim: 3, beta, used: 1 },
    { rows: 1, dim: 1, beta, used: 1 },
    { rows: 4, dim: 3, beta, used: 0 },
    { rows: 5, dim: 4, beta, used: 1 },
    { rows: 8, dim: 5, beta, used: 0.5 },
    { rows: 31, dim: 17, beta, used: 0.7 },
    { rows: 1009, dim: 37, beta, used: 0.6 },
  ]),
  shapes: fc.record({
    rows: fc.integer({ min: 1, max: 30 }),
    dim: fc.integer({ min: 1, max: 40 }),
    beta: fc.constantFrom(0, 2, 0.1),
    used: fc.constantFrom(0.1, 0.5, 1),
  }),
  setup: ({ rows, dim, beta, used }, draw) => ({
    inputs: {
      prediction: draw.normal(rows * dim),
      target: draw.normal(rows * dim, 2),
      index: Int32Array.from(draw.uniform(rows), (u, r) => (u < used ? r : -1)),
      normalizer: Float32Array.of(37),
    },
    outputs: { stats: 4, dPrediction: rows * dim },
    scalars: ["stats"],
    run: (kernels, at) =>
      kernels.regression(at.stats, at.dPrediction, at.prediction, at.target, at.index, at.normalizer, rows, dim, beta, 0.75),
    loss: { stats: [1, 0, 0, 0] },
    gradients: { prediction: "dPrediction" },
  }),
});
