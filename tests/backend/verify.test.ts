import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import type { Kernels } from "../../src/backend/kernels.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { verifyKernels } from "../../src/backend/verify.js";

/** The reference engine with other kernels. */
function withKernels(change: (kernels: Kernels) => Partial<Kernels>): Backend {
  const backend = createReferenceBackend();
  return { ...backend, kernels: { ...backend.kernels, ...change(backend.kernels) } };
}

describe("verifyKernels", () => {
  it("finds nothing wrong with the reference itself, and checks every kernel", async () => {
    const backend = createReferenceBackend();
    const checks = await verifyKernels(backend);
    expect(checks.map(({ kernel }) => kernel)).toEqual(Object.keys(backend.kernels));
    for (const check of checks) expect(check).toMatchObject({ ok: true, difference: 0, error: null });
    expect(backend.heap.used).toBe(0);
  });

  it("names the kernels that compute something else, leave something out, or fail", async () => {
    const backend = withKernels(({ gelu, add, fill }) => ({
      gelu: (y, x, count) => gelu(y, x, count - 1),
      add: (y, a, b, count) => {
        add(y, a, b, count);
        fill(y + 4 * (count - 1), 1, 0);
      },
      linear: () => {
        throw new Error("no linear here");
      },
    }));
    const failed = (await verifyKernels(backend)).filter(({ ok }) => !ok);
    expect(failed.map(({ kernel }) => kernel)).toEqual(["add", "linear", "gelu"]);
    expect(failed[0].difference).toBeGreaterThan(1e-3);
    expect(failed[1]).toMatchObject({ difference: null, error: "no linear here" });
    expect(failed[2].difference).toBe(Number.POSITIVE_INFINITY);
  });
});
