import { describe, expect, it } from "vitest";
import { add } from "../../src/ops/add.js";
import { gatherRows } from "../../src/ops/gather-rows.js";
import { gelu } from "../../src/ops/gelu.js";
import { linear } from "../../src/ops/linear.js";
import { patchify } from "../../src/ops/patchify.js";
import { fromBf16, toBf16 } from "../../src/tensor/bf16.js";
import { Device } from "../../src/tensor/device.js";
import { bf16Engines } from "../ops/engines.js";
import { openDevice } from "../train/small-run.js";

describe("bfloat16 on the host", () => {
  it("is the nearest, ties to even, and keeps infinities and what is no number", () => {
    const values = [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8 - 2 ** -20, 0, -0, 1e-40, Number.POSITIVE_INFINITY, 3.4e38, Number.NaN];
    // Numbers below 2^-126 have steps of 2^-133.
    const small = Math.round(1e-40 / 2 ** -133) * 2 ** -133;
    const { POSITIVE_INFINITY: infinity, NaN: none } = Number;
    expect([...fromBf16(toBf16(Float32Array.from(values)))]).toEqual([
      1,
      1,
      1 + 2 ** -6,
      -1 - 2 ** -7,
      0,
      -0,
      small,
      infinity,
      infinity,
      none,
    ]);
  });
});

describe("types of tensors", () => {
  it("are told where they don't fit", () => {
    using device = openDevice();
    using _ = device.scope();
    const x = device.from([1, 2], [1, 2]);
    const indices = device.fromIndices(Int32Array.of(0, 1), [1, 2]);
    expect(() => linear(x, indices, null)).toThrow("linear: weight: expected f32, got i32");
    expect(() => add(x, indices)).toThrow("add: b: expected f32, got i32");
    expect(() => gatherRows(x, x)).toThrow("gatherRows: index: expected i32, got f32");
    expect(() => gelu(indices)).toThrow("indices: expected a tensor of f32, got i32");
    expect(() => gelu(device.empty([2], "x", "bf16"))).toThrow("x: expected a tensor of f32, got bf16");
  });

  it.each(bf16Engines)("follow the input on $name: $name", async ({ open }) => {
    using device = new Device(open());
    using scope = device.scope();
    const values = [1 / 3, -2 / 3, 4 / 3, 5 / 3];
    const half = device.from(values, [2, 2], "half", device.activation);
    const full = device.from(values, [2, 2], "full");
    expect([half.dtype, half.byteLength, full.dtype, full.byteLength]).toEqual(["bf16", 8, "f32", 16]);
    expect(await half.read()).toEqual(fromBf16(toBf16(Float32Array.from(values))));
    expect(await full.read()).toEqual(Float32Array.from(values));
    expect([gelu(half).dtype, gelu(full).dtype, add(full, full).dtype]).toEqual(["bf16", "f32", "f32"]);
    // Whoever computes with float32 gets all of it: features that are compared, a classifier over them.
    expect((await linear(full, full, null).read())[3]).toBeCloseTo(values[2] ** 2 + values[3] ** 2, 5);
    // Images come as they are; what is made of them is computed with.
    expect(patchify(full.reshape([1, 1, 2, 2]), 1).dtype).toBe("bf16");
    expect(() => add(half, full)).toThrow("add: b: expected bf16, got f32");
    expect(() => linear(half, half, null)).toThrow("linear: weight: expected f32, got bf16");
    for (const tensor of [half, full]) expect(await scope.keep(tensor).read()).toEqual(await tensor.read());
  });
});
