import { describe, expect, it } from "vitest";
import { maskElements } from "../../src/ops/mask-elements.js";
import { backward, passGrad, record } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";

describe.each(devices)("maskElements on $name", ({ open }) => {
  it.each([1, 5, 64, 1031])("zeroes what is masked of %i elements, and its gradient", async (count) => {
    using device = open();
    using _ = device.scope();
    const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i + 1));
    const hidden = Int32Array.from({ length: count }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const x = device.from(values, [1, count]);
    x.requiresGrad = true;
    const y = maskElements(x, device.fromIndices(hidden, [1, count]));
    const expected = values.map((value, i) => (hidden[i] ? 0 : value));
    expect(await y.read()).toEqual(expected);
    const loss = device.empty([1], "sum(y²) / 2");
    record(loss, [y], () => passGrad(y, device.from(expected, [1, count])));
    backward(loss);
    expect(await x.grad!.read()).toEqual(expected);
  });

  it("wants a mask of the same shape", () => {
    using device = open();
    using _ = device.scope();
    const x = device.from([1, 2], [1, 2]);
    expect(() => maskElements(x, device.fromIndices(Int32Array.of(1), [1]))).toThrow("maskElements: mask: expected [1,2], got [1]");
  });
});
