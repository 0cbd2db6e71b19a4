import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { gelu } from "../../src/ops/gelu.js";
import { linear } from "../../src/ops/linear.js";
import { linearGelu } from "../../src/ops/linear-gelu.js";
import { backward } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";
import { describeOp, largest } from "./describe-op.js";

describeOp("linearGelu", {
  cases: [
    { rows: 0, inDim: 5, outDim: 3, bias: true, keep: true },
    { rows: 1, inDim: 1, outDim: 1, bias: true, keep: false },
    { rows: 5, inDim: 3, outDim: 7, bias: false, keep: true },
    { rows: 6, inDim: 8, outDim: 8, bias: true, keep: false },
    { rows: 12, inDim: 16, outDim: 17, bias: true, keep: true },
    { rows: 37, inDim: 403, outDim: 29, bias: true, keep: false },
    { rows: 149, inDim: 101, outDim: 67, bias: true, keep: true },
    { rows: 401, inDim: 31, outDim: 157, bias: true, keep: false },
  ],
  shapes: fc.record({
    rows: fc.integer({ min: 1, max: 40 }),
    inDim: fc.integer({ min: 1, max: 40 }),
    outDim: fc.integer({ min: 1, max: 40 }),
    bias: fc.boolean(),
    keep: fc.boolean(),
  }),
  setup: ({ rows, inDim, outDim, bias, keep }, draw) => ({
    inputs: { x: draw.normal(rows * inDim), weight: draw.normal(outDim * inDim), bias: bias ? draw.normal(outDim) : undefined },
    outputs: { y: rows * outDim, pre: keep ? rows * outDim : undefined },
    run: (kernels, at) => kernels.linearGelu(at.y, at.pre, at.x, at.weight, at.bias, rows, inDim, outDim),
    // gelu reads the product p after its rounding: |p gelu'(p)| is below 0.2 where p < 0, and below 1.3 gelu(p) elsewhere.
    rounded: ({ y }) => ({ y: Math.max(0.2, 1.3 * largest(y)) }),
  }),
});

describe.each(devices)("linearGelu on $name", ({ open }) => {
  const ramp = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1)));

  it.each([true, false])("is the gelu of the linear map, forward and backward; x wants a gradient: %s", async (wanted) => {
    using device = open();
    device.setScalars({ normalizer: 2 });
    const run = async (op: (x: Tensor, weight: Tensor, bias: Tensor) => Tensor) => {
      using _ = device.scope();
      const inputs = [device.from(ramp(2 * 5, 1.7), [2, 5]), device.from(ramp(11 * 5, 0.9), [11, 5]), device.from(ramp(11, 2.3), [11])];
      for (const [i, input] of inputs.entries()) input.requiresGrad = i > 0 || wanted;
      const y = op(inputs[0], inputs[1], inputs[2]);
      backward(crossEntropy(y, device.from(ramp(22, 0.3).map(Math.abs), [2, 11])));
      const gradients = inputs.slice(wanted ? 0 : 1).map((input) => input.grad!);
      return await Promise.all([y, ...gradients].map((tensor) => tensor.read() as Promise<Float32Array>));
    };
    const fused = await run(linearGelu);
    const apart = await run((x, weight, bias) => gelu(linear(x, weight, bias)));
    expect(fused).toEqual(apart);
  });

  it("gives the same without a gradient", async () => {
    using device = open();
    using _ = device.scope();
    const [x, weight] = [device.from(ramp(7 * 5, 1.7), [7, 5]), device.from(ramp(11 * 5, 0.9), [11, 5])];
    const plain = await linearGelu(x, weight, null).read();
    weight.requiresGrad = true;
    expect(await linearGelu(x, weight, null).read()).toEqual(plain);
    expect(() => linearGelu(x, weight, x)).toThrow("linearGelu: bias: expected [11], got [7,5]");
  });
});
