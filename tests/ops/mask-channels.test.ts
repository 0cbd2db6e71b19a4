import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskChannels } from "../../src/ops/mask-channels.js";
import { backward } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";
import { describeOp } from "./describe-op.js";

describeOp("maskChannels", {
  cases: [
    { batch: 0, tokens: 3, dim: 5 },
    { batch: 1, tokens: 1, dim: 1 },
    { batch: 2, tokens: 3, dim: 3 },
    { batch: 3, tokens: 2, dim: 4 },
    { batch: 2, tokens: 5, dim: 17 },
    { batch: 5, tokens: 211, dim: 37 },
  ],
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 5 }),
    tokens: fc.integer({ min: 1, max: 20 }),
    dim: fc.integer({ min: 1, max: 40 }),
  }),
  setup: ({ batch, tokens, dim }, draw) => {
    const count = batch * tokens * dim;
    return {
      inputs: { x: draw.normal(count), mask: draw.ints(batch * dim, -1, 2), dy: draw.normal(count) },
      outputs: { y: count, dx: count },
      inPlace: { y: "x", dx: "dy" },
      run: (kernels, at) => {
        kernels.maskChannels(at.y, at.x, at.mask, batch, tokens, dim);
        kernels.maskChannels(at.dx, at.dy, at.mask, batch, tokens, dim);
      },
      loss: { y: "dy" },
      gradients: { x: "dx" },
    };
  },
});

describe.each(devices)("maskChannels on $name", ({ open }) => {
  it("masks each sample's channels in all its tokens, and their gradient", async () => {
    using device = open();
    await device.scoped(async () => {
      const x = device.from([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
      x.requiresGrad = true;
      const y = maskChannels(x, device.fromIndices(Int32Array.of(1, 0, 0, 1), [2, 2]));
      expect([...(await y.read())]).toEqual([0, 2, 0, 4, 5, 0, 7, 0]);
      backward(y);
      expect([...(await x.grad!.read())]).toEqual([0, 2, 0, 4, 5, 0, 7, 0]);
    });
  });

  it("refuses shapes that don't fit", () => {
    using device = open();
    device.scoped(() => {
      const mask = device.fromIndices(Int32Array.of(1, 0), [1, 2]);
      expect(() => maskChannels(device.from([1, 2], [1, 2]), mask)).toThrow("maskChannels: x: expected three axes");
      expect(() => maskChannels(device.from([1, 2, 3], [1, 1, 3]), mask)).toThrow("maskChannels: mask: expected [1,3], got [1,2]");
    });
  });
});
