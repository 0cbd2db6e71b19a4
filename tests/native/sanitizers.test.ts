/**
 * The C kernels compiled natively under the address and undefined-behaviour sanitizers, and the thread pool under the thread sanitizer, where
 * there is a compiler that has them.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, it } from "vitest";

const SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const SANITIZE_THREADS = ["-fsanitize=thread", "-pthread"];

describe("sanitizers", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "data2vec-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (command: string, args: string[]) => spawnSync(command, args, { encoding: "utf8" });

  /** The first compiler whose programs run here with such flags. */
  function findCompiler(names: string[], extension: string, flags: string[]): string | undefined {
    const program = join(folder, `probe-${extension}${flags[0]}`);
    const source = `${program}.${extension}`;
    writeFileSync(source, "int main() { return 0; }\n");
    const candidates = names.filter((name) => name !== "");
    return candidates.find((name) => run(name, [...flags, source, "-o", program]).status === 0 && run(program, []).status === 0);
  }

  it.concurrent.for([4, 16])("kernels, %i lanes", { timeout: 300_000 }, async (lanes, context) => {
    const compiler = findCompiler([process.env.CC ?? "", "gcc", "clang"], "c", SANITIZE);
    if (compiler === undefined) return context.skip("no C compiler with -fsanitize=address,undefined was found");
    const program = join(folder, `kernels-${lanes}`);
    const flags = ["-std=gnu11", "-g1", "-O1", `-DVLEN=${lanes}`, "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-Iinclude", ...SANITIZE];
    const built = await promisify(execFile)(compiler, [...flags, "tests/native/kernels.c", "-lm", "-o", program]);
    context.expect(built.stderr).toBe("");
    const ran = await promisify(execFile)(program);
    context.expect(ran).toEqual({ stdout: "all kernels ran\n", stderr: "" });
  });

  it.concurrent("the thread pool", { timeout: 300_000 }, async (context) => {
    const compiler = findCompiler([process.env.CXX ?? "", "g++", "clang++"], "cc", SANITIZE_THREADS);
    if (compiler === undefined) return context.skip("no C++ compiler with -fsanitize=thread was found");
    const program = join(folder, "pool");
    const flags = ["-std=c++17", "-g1", "-O1", "-Wall", "-Wextra", "-Werror", "-Inative", ...SANITIZE_THREADS];
    const built = await promisify(execFile)(compiler, [...flags, "tests/native/pool.cc", "native/cpu/pool.cc", "-o", program]);
    context.expect(built.stderr).toBe("");
    const ran = await promisify(execFile)(program);
    context.expect(ran).toEqual({ stdout: "all jobs ran\n", stderr: "" });
  });
});
