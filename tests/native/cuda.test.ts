/** The emulation of CUDA that the kernels are tested on, and the kernels on it that kernels.h doesn't reach: other element types and alignments. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";

describe("the kernels on emulated CUDA", () => {
  it.for([
    ["emulation", "the emulation holds\n"],
    ["products", "the products are right\n"],
    ["layers", "the layers are right\n"],
    ["attention", "attention is right\n"],
  ] as const)("runs the tests of %s", { timeout: 120_000 }, ([name, success], context) => {
    const program = `build-emulated/cuda-test-${name}`;
    if (!existsSync(program)) return context.skip("not built: npm run build:emulated");
    const ran = spawnSync(program, ["build-emulated/cublaslt"], { encoding: "utf8" });
    expect(ran.stdout).toBe(success);
    expect(ran.status).toBe(0);
  });
});
