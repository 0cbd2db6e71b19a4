import { describe, expect, it } from "vitest";
import { tanhActivation } from "../../src/ops/tanh-activation.js";
import { devices } from "../devices.js";
import { describeOp, largest, sizesAround } from "./describe-op.js";

describeOp("tanhActivation", {
  cases: sizesAround(16, 40_009).flatMap((count) => [
    { count, scale: 1 },
    // 1 - y² of a saturated y carries y's rounding alone: it is judged beside others, never by itself.
    ...(count > 1 ? [{ count, scale: 8 }] : []),
  ]),
  setup: ({ count, scale }, draw) => {
    const [x, dy] = [draw.normal(count, scale), draw.normal(count)];
    return {
      inputs: { x, dy },
      outputs: { y: count, dx: count },
      inPlace: { y: "x", dx: "dy" },
      run: (kernels, at) => {
        kernels.tanhActivation(at.y, at.x, count);
        kernels.tanhActivationGrad(at.dx, at.dy, at.y, count);
      },
      loss: { y: "dy" },
      gradients: { x: "dx" },
      // dx = dy (1 - y²) from the y that was stored: 2 |y| of its rounding, which is |y| at most.
      rounded: () => ({ dx: 2 * largest(dy) }),
    };
  },
});

describe.each(devices)("tanhActivation on $name", ({ open }) => {
  it("is within 2 ulp from the smallest to the largest argument", async () => {
    using device = open();
    const magnitudes = Array.from({ length: 40_000 }, (_, i) => 1e-30 * 10 ** (i / 1290));
    const x = Float32Array.from([...magnitudes, ...magnitudes.map((value) => 0.55 + value / 2)].flatMap((value) => [value, -value]));
    const y = await device.scoped(() => tanhActivation(device.from(x, [x.length])).read());
    const ulps = Array.from(y, (value, i) => {
      const exact = Math.tanh(x[i]);
      return Math.abs(value - exact) / 2 ** (Math.floor(Math.log2(Math.abs(exact))) - 23);
    });
    expect(ulps.reduce((a, b) => Math.max(a, b))).toBeLessThan(2);
  });

  it("saturates at infinity and keeps what is no number", async () => {
    using device = open();
    const x = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0];
    expect([...(await device.scoped(() => tanhActivation(device.from(x, [4])).read()))]).toEqual([1, -1, Number.NaN, 0]);
  });
});
