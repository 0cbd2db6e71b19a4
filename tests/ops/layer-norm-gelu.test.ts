import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { gelu } from "../../src/ops/gelu.js";
import { layerNorm } from "../../src/ops/layer-norm.js";
import { layerNormGelu } from "../../src/ops/layer-norm-gelu.js";
import { meanPool } from "../../src/ops/mean-pool.js";
import { backward } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";
import { describeOp } from "./describe-op.js";

describeOp("layerNormGelu", {
  cases: [
    { rows: 0, dim: 5, affine: true, eps: 1e-6, offset: 0 },
    { rows: 1, dim: 1, affine: true, eps: 1e-6, offset: 0 },
    { rows: 3, dim: 3, affine: true, eps: 1e-12, offset: 0 },
    { rows: 2, dim: 4, affine: false, eps: 1e-6, offset: 0 },
    { rows: 5, dim: 6, affine: true, eps: 1e-5, offset: 0 },
    { rows: 7, dim: 15, affine: false, eps: 1e-12, offset: 0 },
    { rows: 8, dim: 16, affine: true, eps: 1e-12, offset: 0 },
    { rows: 9, dim: 17, affine: true, eps: 1e-12, offset: 0 },
    { rows: 17, dim: 64, affine: true, eps: 1e-6, offset: 20 },
    { rows: 211, dim: 131, affine: true, eps: 1e-6, offset: 1 },
    { rows: 1031, dim: 19, affine: true, eps: 1e-6, offset: 0 },
  ],
  shapes: fc.record({
    rows: fc.integer({ min: 1, max: 30 }),
    dim: fc.integer({ min: 3, max: 70 }),
    affine: fc.boolean(),
    eps: fc.constantFrom(1e-12, 1e-6),
    offset: fc.constantFrom(0, 3),
  }),
  setup: ({ rows, dim, affine, eps, offset }, draw) => ({
    inputs: {
      x: draw.normal(rows * dim).map((value) => value + offset),
      weight: affine ? draw.normal(dim) : undefined,
      bias: affine ? draw.normal(dim) : undefined,
      dy: draw.normal(rows * dim),
    },
    outputs: { y: rows * dim, mean: rows, rstd: rows, dx: rows * dim },
    sums: { dWeight: affine ? dim : undefined, dBias: affine ? dim : undefined },
    run: (kernels, at) => {
      kernels.layerNormGelu(at.y, at.mean, at.rstd, at.x, at.weight, at.bias, rows, dim, eps);
      kernels.layerNormGeluGrad(at.dx, at.dWeight, at.dBias, at.dy, at.x, at.weight, at.bias, at.mean, at.rstd, rows, dim);
    },
    loss: { y: "dy" },
    gradients: { x: "dx", weight: "dWeight", bias: "dBias" },
  }),
});

describe.each(devices)("layerNormGelu on $name", ({ open }) => {
  it.each([true, false])("is the gelu of the layer norm, forward and backward; x wants a gradient: %s", async (wanted) => {
    using device = open();
    device.setScalars({ normalizer: 2 });
    const ramp = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1)));
    const run = async (op: (x: Tensor, weight: Tensor, bias: Tensor, eps: number) => Tensor) => {
      using _ = device.scope();
      const inputs = [device.from(ramp(2 * 5 * 11, 1.7), [2, 5, 11]), device.from(ramp(11, 0.9), [11]), device.from(ramp(11, 2.3), [11])];
      for (const [i, input] of inputs.entries()) input.requiresGrad = i > 0 || wanted;
      const y = op(inputs[0], inputs[1], inputs[2], 1e-5);
      backward(crossEntropy(meanPool(y, 0), device.from(ramp(22, 0.3).map(Math.abs), [2, 11])));
      const gradients = inputs.slice(wanted ? 0 : 1).map((input) => input.grad!);
      return await Promise.all([y, ...gradients].map((tensor) => tensor.read() as Promise<Float32Array>));
    };
    const fused = await run(layerNormGelu);
    const apart = await run((x, weight, bias, eps) => gelu(layerNorm(x, weight, bias, eps)));
    for (const [i, values] of fused.entries()) {
      const scale = apart[i].reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      expect(scale).toBeGreaterThan(0);
      for (const [e, value] of values.entries()) expect(Math.abs(value - apart[i][e])).toBeLessThanOrEqual(1e-5 * scale);
    }
  });

  it("without weight and bias is that of ones and zeros", async () => {
    using device = open();
    using _ = device.scope();
    const x = device.from(
      Float32Array.from({ length: 55 }, (_, i) => Math.sin(1.7 * (i + 1))),
      [5, 11],
    );
    const ones = device.from(new Float32Array(11).fill(1), [11]);
    const zeros = device.from(new Float32Array(11), [11]);
    expect(await layerNormGelu(x, null, null, 1e-5).read()).toEqual(await layerNormGelu(x, ones, zeros, 1e-5).read());
    expect(() => layerNormGelu(x, ones, null, 1e-5)).toThrow("layerNormGelu: bias: expected together with weight");
  });
});
