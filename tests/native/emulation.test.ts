/** The emulation of CUDA that the kernels are tested on: barriers, shuffles, tensor-core fragments, asynchronous copies and its errors. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const SOURCES = ["tests/native/emulation.cc", ...["block", "fiber", "mma"].map((name) => `native/cuda/emulation/${name}.cc`)];
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
    const ran = spawnSync(program, { encoding: "utf8" });
    expect(ran.stdout).toBe("the emulation holds\n");
    expect(ran.status).toBe(0);
  });
});
