/** The emulation of CUDA that the kernels are tested on, and the kernels on it that kernels.h doesn't reach: other element types and alignments. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const SOURCES = [
  "tests/native/cuda/emulation.cc",
  ...["block", "fiber", "mma", "runtime"].map((name) => `native/cuda/emulation/${name}.cc`),
];
const FLAGS = ["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Inative", "-Iinclude"];

describe("the emulation of CUDA", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "data2vec-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("holds", { timeout: 120_000 }, (context) => {
    const compiler = [process.env.CXX ?? "", "g++", "clang++"].find((name) => name !== "" && spawnSync(name, ["--version"]).status === 0);
    if (compiler === undefined) return context.skip("no C++ compiler was found");
    const program = join(folder, "emulation");
    const built = spawnSync(compiler, [...FLAGS, ...SOURCES, "-o", program], { encoding: "utf8" });
    expect(built.stderr).toBe("");
    expectSuccess(program, "the emulation holds\n");
  });

  it.for([
    ["products", "the products are right\n"],
    ["layers", "the layers are right\n"],
    ["attention", "attention is right\n"],
  ] as const)("runs the tests of %s", { timeout: 120_000 }, ([name, success], context) => {
    const program = `build-emulated/cuda-test-${name}`;
    if (!existsSync(program)) return context.skip("not built: npm run build:emulated");
    expectSuccess(program, success, "build-emulated/cublaslt");
  });
});

function expectSuccess(program: string, output: string, ...args: string[]): void {
  const ran = spawnSync(program, args, { encoding: "utf8" });
  expect(ran.stdout).toBe(output);
  expect(ran.status).toBe(0);
}
