import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Conv1d } from "../../src/nn/conv1d.js";
import { ParameterStore } from "../../src/nn/parameter-store.js";
import { type Conv1dOptions, conv1d } from "../../src/ops/conv1d.js";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { linear } from "../../src/ops/linear.js";
import { meanPool } from "../../src/ops/mean-pool.js";
import { ShapeError } from "../../src/tensor/shape.js";
import { backward } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";
import { describeOp } from "./describe-op.js";

describeOp("conv1d", {
  cases: [
    { batch: 0, time: 7, inGroup: 2, outGroup: 3, kernel: 3, stride: 1, padding: 0, groups: 1, bias: true },
    { batch: 1, time: 1, inGroup: 1, outGroup: 1, kernel: 1, stride: 1, padding: 0, groups: 1, bias: true },
    { batch: 2, time: 4, inGroup: 3, outGroup: 2, kernel: 5, stride: 2, padding: 0, groups: 1, bias: true },
    { batch: 1, time: 163, inGroup: 1, outGroup: 17, kernel: 10, stride: 5, padding: 0, groups: 1, bias: false },
    { batch: 3, time: 33, inGroup: 5, outGroup: 7, kernel: 3, stride: 2, padding: 0, groups: 1, bias: true },
    { batch: 2, time: 32, inGroup: 8, outGroup: 8, kernel: 2, stride: 2, padding: 0, groups: 1, bias: false },
    { batch: 2, time: 11, inGroup: 3, outGroup: 5, kernel: 2, stride: 5, padding: 0, groups: 1, bias: true },
    { batch: 3, time: 13, inGroup: 4, outGroup: 4, kernel: 3, stride: 4, padding: 5, groups: 1, bias: true },
    { batch: 7, time: 5, inGroup: 6, outGroup: 6, kernel: 19, stride: 1, padding: 9, groups: 4, bias: true },
    { batch: 2, time: 29, inGroup: 6, outGroup: 6, kernel: 19, stride: 1, padding: 9, groups: 2, bias: true },
    { batch: 2, time: 50, inGroup: 1, outGroup: 1, kernel: 4, stride: 1, padding: 2, groups: 5, bias: true },
    { batch: 2, time: 21, inGroup: 3, outGroup: 5, kernel: 7, stride: 3, padding: 4, groups: 3, bias: false },
    { batch: 1, time: 2, inGroup: 3, outGroup: 2, kernel: 3, stride: 2, padding: 7, groups: 2, bias: true },
    // Several blocks of depth, of rows that span samples, of columns; a weight gradient split over the rows.
    { batch: 9, time: 61, inGroup: 137, outGroup: 101, kernel: 3, stride: 2, padding: 1, groups: 1, bias: true },
    { batch: 11, time: 101, inGroup: 23, outGroup: 21, kernel: 19, stride: 1, padding: 9, groups: 2, bias: true },
    { batch: 1, time: 2003, inGroup: 5, outGroup: 53, kernel: 10, stride: 5, padding: 0, groups: 1, bias: true },
    // A weight gradient of several blocks of rows and columns, too few rows to split.
    { batch: 2, time: 9, inGroup: 307, outGroup: 211, kernel: 3, stride: 1, padding: 1, groups: 1, bias: true },
  ],
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 4 }),
    time: fc.integer({ min: 1, max: 40 }),
    inGroup: fc.integer({ min: 1, max: 9 }),
    outGroup: fc.integer({ min: 1, max: 12 }),
    kernel: fc.integer({ min: 1, max: 12 }),
    stride: fc.integer({ min: 1, max: 5 }),
    padding: fc.integer({ min: 0, max: 8 }),
    groups: fc.integer({ min: 1, max: 4 }),
    bias: fc.boolean(),
  }),
  setup: ({ batch, time, inGroup, outGroup, kernel, stride, padding, groups, bias }, draw) => {
    const [inChannels, outChannels] = [inGroup * groups, outGroup * groups];
    const outTime = Math.max(0, Math.floor((time + 2 * padding - kernel) / stride) + 1);
    const sizes = [batch, time, inChannels, outChannels, kernel, stride, padding, groups] as const;
    const weights = outChannels * kernel * inGroup;
    return {
      inputs: {
        x: draw.normal(batch * time * inChannels),
        weight: draw.normal(weights),
        bias: bias ? draw.normal(outChannels) : undefined,
        dy: draw.normal(batch * outTime * outChannels),
      },
      outputs: { y: batch * outTime * outChannels, dx: batch * time * inChannels },
      sums: { dWeight: weights, dBias: bias ? outChannels : undefined },
      run: (kernels, at) => {
        kernels.conv1d(at.y, at.x, at.weight, at.bias, ...sizes);
        kernels.conv1dGradInput(at.dx, at.dy, at.weight, ...sizes);
        kernels.conv1dGradWeight(at.dWeight, at.dBias, at.dy, at.x, ...sizes);
      },
      loss: { y: "dy" },
      gradients: { x: "dx", weight: "dWeight", bias: "dBias" },
    };
  },
});

function expectNear(actual: Float32Array, expected: Float32Array): void {
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  expect(actual.length).toBe(expected.length);
  expect(scale).toBeGreaterThan(0);
  for (const [i, value] of actual.entries()) expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(1e-5 * scale);
}

const ramp = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(step * (i + 1)));

describe.each(devices)("conv1d on $name", ({ open }) => {
  it("puts zeros around each sample and takes the taps of each group in order", async () => {
    using device = open();
    using _ = device.scope();
    // Two samples of three positions and two channels, a group each; the kernel [1, 10] and [100, 1000].
    const x = device.from(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3), [2, 3, 2]);
    const weight = device.from(Float32Array.of(1, 10, 100, 1000), [2, 2, 1]);
    const bias = device.from(Float32Array.of(0.5, 0), [2]);
    const y = conv1d(x, weight, bias, { stride: 2, padding: 1, groups: 2 });
    expect(y.shape).toEqual([2, 2, 2]);
    expect([...(await y.read())]).toEqual([10.5, 2000, 53.5, 6400, 70.5, 8000, 29.5, 3100]);
  });

  it("with a window of one position is linear, forward and backward", async () => {
    using device = open();
    device.setScalars({ normalizer: 2 });
    const run = async (op: typeof linear, weightShape: number[]) => {
      using _ = device.scope();
      const inputs = [
        device.from(ramp(2 * 9 * 5, 1.3), [2, 9, 5]),
        device.from(ramp(7 * 5, 0.7), weightShape),
        device.from(ramp(7, 2.1), [7]),
      ];
      for (const input of inputs) input.requiresGrad = true;
      const y = op(inputs[0], inputs[1], inputs[2]);
      backward(crossEntropy(meanPool(y, 0), device.from(ramp(14, 0.3).map(Math.abs), [2, 7])));
      return await Promise.all([y, ...inputs.map((input) => input.grad!)].map((tensor) => tensor.read() as Promise<Float32Array>));
    };
    const actual = await run((x, weight, bias) => conv1d(x, weight, bias), [7, 1, 5]);
    const expected = await run(linear, [7, 5]);
    for (const [i, values] of actual.entries()) expectNear(values, expected[i]);
  });

  it("names sizes that don't fit", () => {
    using device = open();
    using _ = device.scope();
    const x = device.from(ramp(2 * 5 * 6, 1), [2, 5, 6]);
    const weight = device.from(ramp(4 * 8 * 3, 1), [4, 8, 3]);
    const run = (options: Conv1dOptions) => () => conv1d(x, weight, null, options);
    expect(run({ groups: 2, padding: 2 })).not.toThrow();
    expect(run({ groups: 2, padding: 1 })).toThrow(ShapeError);
    expect(run({ groups: 2, padding: 1 })).toThrow("conv1d: x: expected at least 8 positions for the kernel, got 5 and 2 of padding");
    expect(run({ groups: 1, padding: 2 })).toThrow("conv1d: x: expected [2,5,3], got [2,5,6]");
    expect(run({ groups: 3, padding: 2 })).toThrow("conv1d: groups: expected a divisor of 4 output channels, got 3");
    expect(run({ groups: 2, stride: 0 })).toThrow("conv1d: stride: expected an integer from 1 up, got 0");
    expect(run({ groups: 2, padding: 0.5 })).toThrow("conv1d: padding: expected an integer from 0 up, got 0.5");
    expect(() => conv1d(x, x.reshape([60]), null)).toThrow("conv1d: weight: expected 3 axes (out, kernel, in / groups), got [60]");
    const bias = device.from(ramp(3, 1), [3]);
    expect(() => conv1d(x, weight, bias, { groups: 2, padding: 2 })).toThrow("conv1d: bias: expected [4], got [3]");
  });
});

describe.each(devices)("Conv1d on $name", ({ open }) => {
  it.each([true, false])("has a weight (out, kernel, in / groups); bias %s", async (bias) => {
    using device = open();
    using _ = device.scope();
    const model = new Conv1d(
      { inChannels: 6, outChannels: 4, kernel: 3, stride: 2, padding: 1, groups: 2, bias },
      { kind: "constant", value: 1 },
    );
    const store = new ParameterStore(device, { "": model }, { trainable: true, label: "model" });
    expect([...model.namedParameters()].map(({ name, parameter }) => [name, parameter.shape])).toEqual(
      [["weight", [4, 3, 3]] as const, ["bias", [4]] as const].slice(0, bias ? 2 : 1),
    );
    store.initialize(0);
    const y = model.forward(device.from(new Float32Array(2 * 6 * 6).fill(1), [2, 6, 6]));
    expect(y.shape).toEqual([2, 3, 4]);
    expect([...(await y.read())].slice(0, 12)).toEqual([6, 6, 6, 6, 9, 9, 9, 9, 9, 9, 9, 9]);
  });
});
