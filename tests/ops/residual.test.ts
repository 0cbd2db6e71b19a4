import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

type Residual = { samples: number; rows: number; dim: number; gamma: boolean; frozen: boolean; dropPath: number };

describeOp<Residual>("residual", {
  cases: [
    { samples: 1, rows: 1, dim: 1, gamma: true, frozen: false, dropPath: 0 },
    { samples: 2, rows: 1, dim: 3, gamma: false, frozen: false, dropPath: 0 },
    { samples: 5, rows: 2, dim: 4, gamma: true, frozen: false, dropPath: 0.5 },
    { samples: 6, rows: 3, dim: 5, gamma: false, frozen: false, dropPath: 0.5 },
    { samples: 4, rows: 17, dim: 31, gamma: true, frozen: false, dropPath: 0.25 },
    { samples: 4, rows: 3, dim: 35, gamma: true, frozen: true, dropPath: 0.25 },
    { samples: 16, rows: 50, dim: 67, gamma: true, frozen: false, dropPath: 0.25 },
  ],
  shapes: fc.record({
    samples: fc.integer({ min: 1, max: 9 }),
    rows: fc.integer({ min: 1, max: 9 }),
    dim: fc.integer({ min: 1, max: 40 }),
    gamma: fc.boolean(),
    frozen: fc.boolean(),
    dropPath: fc.constantFrom(0, 0.3),
  }),
  setup: ({ samples, rows, dim, gamma, frozen, dropPath }, draw) => {
    // A layer scale that isn't learned gets no gradient.
    const learned = gamma && !frozen;
    const count = samples * rows * dim;
    return {
      inputs: {
        r: draw.normal(count),
        x: draw.normal(count),
        gamma: gamma ? draw.normal(dim) : undefined,
        rng: dropPath > 0 ? draw.rng() : undefined,
        dy: draw.normal(count),
      },
      outputs: { y: count, dx: count },
      sums: { dGamma: learned ? dim : undefined },
      run: (kernels, at) => {
        kernels.residual(at.y, at.r, at.x, at.gamma, at.rng, samples, rows, dim, dropPath, 3);
        kernels.residualGrad(at.dx, at.dGamma, at.dy, at.x, at.gamma, at.rng, samples, rows, dim, dropPath, 3);
      },
      loss: { y: "dy" },
      gradients: { x: "dx", r: "dy", ...(learned && { gamma: "dGamma" }) },
    };
  },
});
