import { describe, expect, it } from "vitest";
import { scaleGradient } from "../../src/ops/scale-gradient.js";
import { fromBf16, toBf16 } from "../../src/tensor/bf16.js";
import { backward, passGrad, record } from "../../src/tensor/tape.js";
import { bf16Devices, devices } from "../devices.js";

describe.each([...devices, ...bf16Devices])("scaleGradient on $name", ({ open }) => {
  it("leaves the values, and scales what flows back", async () => {
    using device = open();
    using _ = device.scope();
    const values = fromBf16(toBf16(Float32Array.from({ length: 3 * 7 }, (_, i) => Math.sin(i + 1))));
    const activations = (array: Float32Array) => device.from(array, [3, 7], "activations", device.activation);
    const x = activations(values);
    x.requiresGrad = true;
    const y = scaleGradient(x, 0.25);
    expect(await y.read()).toEqual(values);
    const loss = device.empty([1], "sum(x) + sum(8 y)");
    record(loss, [x, y], () => {
      passGrad(x, activations(new Float32Array(21).fill(1)));
      passGrad(y, activations(new Float32Array(21).fill(8)));
    });
    backward(loss);
    expect(await x.grad!.read()).toEqual(new Float32Array(21).fill(1 + 8 * 0.25));
  });

  it("is nothing for 1", () => {
    using device = open();
    using _ = device.scope();
    const x = device.from([1], [1]);
    expect(scaleGradient(x, 1)).toBe(x);
  });
});
