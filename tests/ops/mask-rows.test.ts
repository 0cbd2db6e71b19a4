import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskRows } from "../../src/ops/mask-rows.js";
import { backward } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";
import { describeOp } from "./describe-op.js";

const both = { token: true, dx: true };
const zeros = { token: false, dx: true };
const onlyToken = { token: true, dx: false };

describeOp("maskRows", {
  cases: [
    { rows: 0, dim: 3, ...both },
    { rows: 1, dim: 1, ...both },
    { rows: 3, dim: 3, ...zeros },
    { rows: 4, dim: 4, ...both },
    { rows: 5, dim: 5, ...onlyToken },
    { rows: 17, dim: 31, ...both },
    { rows: 17, dim: 31, ...zeros },
    { rows: 1009, dim: 37, ...both },
    { rows: 1009, dim: 37, ...zeros },
    { rows: 1009, dim: 37, ...onlyToken },
  ],
  shapes: fc.record({
    rows: fc.integer({ min: 1, max: 30 }),
    dim: fc.integer({ min: 1, max: 30 }),
    token: fc.boolean(),
    dx: fc.boolean(),
  }),
  setup: ({ rows, dim, token, dx }, draw) => {
    const gradients: Record<string, string> = {};
    if (dx) gradients.x = "dx";
    if (token) gradients.token = "dToken";
    return {
      inputs: {
        x: draw.normal(rows * dim),
        token: token ? draw.normal(dim) : undefined,
        mask: draw.ints(rows, 0, 2),
        dy: draw.normal(rows * dim),
      },
      outputs: { y: rows * dim, dx: dx ? rows * dim : undefined },
      sums: { dToken: token ? dim : undefined },
      run: (kernels, at) => {
        kernels.maskRows(at.y, at.x, at.token, at.mask, rows, dim);
        kernels.maskRowsGrad(at.dx, at.dToken, at.dy, at.mask, rows, dim);
      },
      loss: { y: "dy" },
      gradients,
    };
  },
});

describe.each(devices)("maskRows on $name", ({ open }) => {
  it.each([
    [true, true],
    [true, false],
    [false, true],
  ])("gives x a gradient: %s, and the token: %s", async (forX, forToken) => {
    using device = open();
    await device.scoped(async () => {
      const x = device.from([1, 2, 3, 4], [2, 2]);
      const token = device.from([5, 6], [1, 2]);
      x.requiresGrad = forX;
      token.requiresGrad = forToken;
      const y = maskRows(x, token, device.fromIndices(Int32Array.of(0, 1), [2]));
      expect([...(await y.read())]).toEqual([1, 2, 5, 6]);
      backward(y);
      if (forX) expect([...(await x.grad!.read())]).toEqual([1, 2, 0, 0]);
      else expect(x.grad).toBeNull();
      if (forToken) expect([...(await token.grad!.read())]).toEqual([5, 6]);
      else expect(token.grad).toBeNull();
    });
  });

  it("writes zeros without a token, and refuses one of another size", async () => {
    using device = open();
    await device.scoped(async () => {
      const x = device.from([1, 2, 3, 4], [2, 2]);
      const mask = device.fromIndices(Int32Array.of(1, 0), [2]);
      expect([...(await maskRows(x, null, mask).read())]).toEqual([0, 0, 3, 4]);
      expect(() => maskRows(x, device.from([1, 2, 3], [1, 3]), mask)).toThrow("maskRows: token: expected [2], got [3]");
    });
  });
});
