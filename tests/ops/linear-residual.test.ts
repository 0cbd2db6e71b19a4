import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { linear } from "../../src/ops/linear.js";
import { linearResidual } from "../../src/ops/linear-residual.js";
import { meanPool } from "../../src/ops/mean-pool.js";
import { type ResidualOptions, residual } from "../../src/ops/residual.js";
import { backward } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";
import { describeOp, largest } from "./describe-op.js";

type Shape = {
  samples: number;
  rows: number;
  inDim: number;
  outDim: number;
  bias: boolean;
  gamma: boolean;
  dropPath: number;
  keep: boolean;
};

describeOp<Shape>("linearResidual", {
  cases: [
    { samples: 1, rows: 1, inDim: 1, outDim: 1, bias: true, gamma: true, dropPath: 0, keep: true },
    { samples: 2, rows: 3, inDim: 7, outDim: 5, bias: false, gamma: false, dropPath: 0, keep: false },
    { samples: 5, rows: 2, inDim: 4, outDim: 16, bias: true, gamma: true, dropPath: 0.5, keep: false },
    { samples: 6, rows: 3, inDim: 33, outDim: 17, bias: true, gamma: false, dropPath: 0.5, keep: true },
    { samples: 3, rows: 50, inDim: 403, outDim: 31, bias: true, gamma: true, dropPath: 0.25, keep: true },
    { samples: 8, rows: 50, inDim: 31, outDim: 157, bias: true, gamma: true, dropPath: 0.25, keep: false },
  ],
  shapes: fc.record({
    samples: fc.integer({ min: 1, max: 9 }),
    rows: fc.integer({ min: 1, max: 9 }),
    inDim: fc.integer({ min: 1, max: 40 }),
    outDim: fc.integer({ min: 1, max: 40 }),
    bias: fc.boolean(),
    gamma: fc.boolean(),
    dropPath: fc.constantFrom(0, 0.3),
    keep: fc.boolean(),
  }),
  setup: ({ samples, rows, inDim, outDim, bias, gamma, dropPath, keep }, draw) => {
    const count = samples * rows * outDim;
    const r = draw.normal(count);
    return {
      inputs: {
        r,
        x: draw.normal(samples * rows * inDim),
        weight: draw.normal(outDim * inDim),
        bias: bias ? draw.normal(outDim) : undefined,
        gamma: gamma ? draw.normal(outDim) : undefined,
        rng: dropPath > 0 ? draw.rng() : undefined,
      },
      outputs: { y: count, branch: keep ? count : undefined },
      run: (kernels, { y, branch, r, x, weight, bias, gamma, rng }) =>
        kernels.linearResidual(y, branch, r, x, weight, bias, gamma, rng, samples, rows, inDim, outDim, dropPath, 3),
      // The branch is rounded before it is scaled and added.
      rounded: ({ y }) => ({ y: largest(y.map((value, e) => value - r[e])) }),
    };
  },
});

describe.each(devices)("linearResidual on $name", ({ open }) => {
  const ramp = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1)));
  type Op = (r: Tensor, x: Tensor, weight: Tensor, bias: Tensor, options: ResidualOptions) => Tensor;

  it.each([
    { scaled: true, dropPath: 0 },
    { scaled: true, dropPath: 0.5 },
    { scaled: false, dropPath: 0.5 },
    { scaled: false, dropPath: 0 },
  ])("is the residual sum of the linear map, forward and backward: $scaled, $dropPath", async ({ scaled, dropPath }) => {
    using device = open();
    device.setScalars({ normalizer: 4 });
    device.setRandom(3, 5, 0);
    const run = async (op: Op) => {
      using _ = device.scope();
      const [r, x, weight] = [
        device.from(ramp(4 * 33, 0.4), [4, 3, 11]),
        device.from(ramp(60, 1.7), [4, 3, 5]),
        device.from(ramp(55, 0.9), [11, 5]),
      ];
      const [bias, gamma] = [device.from(ramp(11, 2.3), [11]), scaled ? device.from(ramp(11, 3.1), [11]) : null];
      const inputs = [r, x, weight, bias, ...(gamma === null ? [] : [gamma])];
      for (const input of inputs) input.requiresGrad = true;
      const y = op(r, x, weight, bias, { gamma, dropPath, purpose: 3 });
      backward(crossEntropy(meanPool(y, 0), device.from(ramp(44, 0.3).map(Math.abs), [4, 11])));
      return await Promise.all([y, ...inputs.map((input) => input.grad!)].map((tensor) => tensor.read() as Promise<Float32Array>));
    };
    const fused = await run((r, x, weight, bias, options) => linearResidual(r, x, weight, bias, options, false).y);
    const apart = await run((r, x, weight, bias, options) => residual(r, linear(x, weight, bias), options));
    expect(fused).toEqual(apart);
  });

  it("keeps the branch where a gradient or the caller needs it", () => {
    using device = open();
    using _ = device.scope();
    const [r, x, weight] = [device.from(ramp(22, 0.4), [2, 11]), device.from(ramp(10, 1.7), [2, 5]), device.from(ramp(55, 0.9), [11, 5])];
    const gamma = device.from(ramp(11, 2.3), [11]);
    const branch = (options: Partial<ResidualOptions>, keep: boolean) =>
      linearResidual(r, x, weight, null, { gamma: null, dropPath: 0, purpose: 3, ...options }, keep).branch;
    expect(branch({}, false)).toBeNull();
    expect(branch({}, true)?.shape).toEqual([2, 11]);
    expect(branch({ gamma }, false)).toBeNull();
    gamma.requiresGrad = true;
    expect(branch({ gamma }, false)?.shape).toEqual([2, 11]);
    expect(() => branch({ gamma: x }, false)).toThrow("linearResidual: gamma: expected [11], got [2,5]");
  });
});
