import { describe, expect, it } from "vitest";
import { COSTS } from "../../src/backend/cost.js";
import { profiled, profileLines } from "../../src/backend/profile.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { Device } from "../../src/tensor/device.js";

describe("a profile", () => {
  it("counts calls, operations and bytes of each kernel, and changes no result", async () => {
    const { backend, profile, reset } = profiled(createReferenceBackend());
    using device = new Device(backend);
    const before = profile().kernels.reduce((sum, { calls }) => sum + calls, 0);
    expect(before).toBe(0);
    const values = await device.scoped(async () => {
      const x = device.from([1, 2, 3, 4, 5, 6], [2, 3]);
      const weight = device.from([1, 0, 0, 0, 1, 0], [2, 3]);
      const y = device.empty([2, 2], "y");
      for (let i = 0; i < 3; i++) device.kernels.linear(y.ptr, x.ptr, weight.ptr, 0, 2, 3, 2);
      device.kernels.add(y.ptr, y.ptr, y.ptr, 4);
      return await y.read();
    });
    expect([...values]).toEqual([2, 4, 8, 10]);
    const { kernels, milliseconds } = profile();
    const of = (name: string) => kernels.find(({ kernel }) => kernel === name);
    expect(kernels.map(({ kernel }) => kernel).sort()).toEqual(["add", "linear"]);
    expect(of("linear")).toMatchObject({ calls: 3, flops: 3 * 2 * 2 * 3 * 2, bytes: 3 * 4 * (2 * (3 + 2) + 3 * 2 + 2) });
    expect(of("add")).toMatchObject({ calls: 1, flops: 0, bytes: 4 * 12 });
    expect(milliseconds).toBeGreaterThanOrEqual(kernels.reduce((sum, kernel) => sum + kernel.milliseconds, 0) * 0.999);
    const lines = profileLines({ kernels, milliseconds });
    expect(lines[0]).toMatch(/^kernel +calls +ms +share +µs a call +GFLOP\/s +GB\/s$/);
    expect(lines).toHaveLength(4);
    expect(lines[3]).toMatch(/^outside of kernels +\d/);
    reset();
    expect(profile().kernels).toEqual([]);
    device.kernels.fill(8, 1, 0);
    expect(profile().kernels).toMatchObject([{ kernel: "fill", calls: 1, flops: 0, bytes: 4 }]);
  });

  it("knows that a step without products is a matter of bytes, and that gradients of a convolution cost what it does", () => {
    const shape = [2, 100, 8, 16, 3, 2, 1, 4] as const;
    expect(COSTS.conv1d(0, 0, 0, 0, ...shape).flops).toBe(2 * 2 * 50 * 16 * 3 * 2);
    expect(COSTS.conv1dGradWeight(0, 0, 0, 0, ...shape).flops).toBe(COSTS.conv1d(0, 0, 0, 0, ...shape).flops);
    expect(COSTS.attention(0, 0, 0, 0, 0, 0, 0, 0, 2, 10, 3, 4, 0, 0).flops).toBe(2 * 2 * 2 * 3 * 10 * 10 * 4);
    expect(COSTS.adamw(0, 0, 0, 0, 0, 0, 10, 1, 0, 0.9, 0.99)).toEqual({ flops: 0, bytes: 280 });
  });
});
