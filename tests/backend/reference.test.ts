/** The reference engine's heap and its special functions; its kernels are tested in tests/ops. */
import { describe, expect, it } from "vitest";
import { OutOfMemoryError } from "../../src/backend/backend.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";

describe("reference engine", () => {
  it("keeps contents and addresses while the heap grows", async () => {
    const { heap, kernels } = createReferenceBackend();
    const first = heap.allocate(16, "first");
    expect(first).toBeGreaterThan(0);
    kernels.fill(first, 4, 2.5);
    const large = heap.allocate(2 ** 22, "large");
    kernels.fill(large, 2 ** 20, 1);
    kernels.add(first, first, first, 4);
    expect(new Float32Array(await heap.download(first, 16))).toEqual(Float32Array.of(5, 5, 5, 5));
    heap.upload(first, new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
    kernels.copy(large, first, 4);
    expect(new Float32Array(await heap.download(large, 20))).toEqual(Float32Array.of(1, 2, 3, 4, 1));
  });

  it("names what didn't fit under the memory limit", () => {
    const { heap } = createReferenceBackend({ memoryLimit: 4096 });
    expect(() => heap.allocate(8192, "weights")).toThrow(OutOfMemoryError);
    expect(() => heap.allocate(8192, "weights")).toThrow("weights");
  });

  it("computes the exact GELU", async () => {
    const { heap, kernels } = createReferenceBackend();
    // x and x Φ(x), from tables of the normal distribution.
    const table = [
      [0, 0],
      [1, 0.841344746068543],
      [-1, -0.158655253931457],
      [2.5, 2.48447583669],
      [-3.5, -0.000814202223],
      [-6, -5.91952586e-9],
      [9, 9],
    ];
    const x = heap.allocate(64, "x");
    heap.upload(x, new Uint8Array(Float32Array.from(table, ([z]) => z).buffer));
    kernels.gelu(x, x, table.length);
    const y = new Float32Array(await heap.download(x, 4 * table.length));
    for (const [i, [, expected]] of table.entries()) expect(Math.abs(y[i] - expected)).toBeLessThanOrEqual(1e-6 * Math.abs(expected));
  });
});
