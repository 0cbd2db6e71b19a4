/**
 * Every kernel through the binder of the native addon: the cases of tests/ops, run by the C kernels in scalar form instead of the engines.
 * A build older than the sources tests the sources of then: run `npm run build:native` first.
 */
import { readdirSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { loadNative, probeNative } from "../../src/backend/native.js";
import { createNativeScalarBackend } from "./native-scalar.js";

vi.mock("../ops/engines.js", () => ({
  engines: [{ name: "C kernels through the native addon", open: createNativeScalarBackend }],
  threadVariants: [],
}));

const probe = await probeNative();

if ("error" in probe) {
  describe(`kernels through the native addon (${probe.error})`, () => it.skip("are not there", () => {}));
} else {
  const suffix = ".test.ts";
  for (const file of readdirSync(new URL("../ops", import.meta.url))) {
    if (file.endsWith(suffix)) await import(`../ops/${file.slice(0, -suffix.length)}.test.ts`);
  }

  describe("arguments of a bound kernel", async () => {
    const heap = new ArrayBuffer(4096);
    const { scalarKernels } = await loadNative();
    const { fill } = scalarKernels(heap) as unknown as Record<string, (...values: unknown[]) => void>;

    it("are offsets into the heap, integers and floats", () => {
      fill(64, 3, 1.5);
      expect([...new Float32Array(heap, 60, 5)]).toEqual([0, 1.5, 1.5, 1.5, 0]);
    });

    it.each([
      [[64, 3], "fill: expected 3 arguments, got 2"],
      [[64, 3, 1, 1], "fill: expected 3 arguments, got 4"],
      [[64, 3, "x"], "fill: argument 3: expected a number"],
      [[64, 1.5, 1], "fill: argument 2: expected a 32-bit integer, got 1.5"],
      [[64, 2 ** 31, 1], "fill: argument 2: expected a 32-bit integer"],
      [[64, Number.NaN, 1], "fill: argument 2: expected a 32-bit integer"],
      [[-64, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
      [[66, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
      [[4096, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
      [[Number.NaN, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
    ])("are refused when they can't be what the kernel takes: %j", (values, message) => {
      const before = heap.slice(0);
      expect(() => fill(...values)).toThrow(message);
      expect(new Uint8Array(heap)).toEqual(new Uint8Array(before));
    });

    it("need a heap", () => {
      expect(() => scalarKernels(new Uint8Array(8) as unknown as ArrayBuffer)).toThrow("scalarKernels: expected an ArrayBuffer");
    });
  });
}
