/** The C kernels compiled natively under the address and undefined-behaviour sanitizers, where there is a C compiler that has them. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, it } from "vitest";

const SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

describe("kernels under sanitizers", () => {
  let folder: string;
  let compiler: string | undefined;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "data2vec-"));
    compiler = findCompiler();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (command: string, args: string[]) => spawnSync(command, args, { encoding: "utf8" });

  /** The first compiler whose sanitized programs run here. */
  function findCompiler(): string | undefined {
    const source = join(folder, "probe.c");
    const program = join(folder, "probe");
    writeFileSync(source, "int main(void) { return 0; }\n");
    const candidates = [process.env.CC ?? "", "gcc", "clang"].filter((name) => name !== "");
    return candidates.find((name) => run(name, [...SANITIZE, source, "-o", program]).status === 0 && run(program, []).status === 0);
  }

  it.concurrent.for([4, 16])("%i lanes", { timeout: 300_000 }, async (lanes, context) => {
    if (compiler === undefined) return context.skip("no C compiler with -fsanitize=address,undefined was found");
    const program = join(folder, `kernels-${lanes}`);
    const flags = ["-std=gnu11", "-g1", "-O1", `-DVLEN=${lanes}`, "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-Iinclude", ...SANITIZE];
    const built = await promisify(execFile)(compiler, [...flags, "tests/native/kernels.c", "-lm", "-o", program]);
    context.expect(built.stderr).toBe("");
    const ran = await promisify(execFile)(program);
    context.expect(ran).toEqual({ stdout: "all kernels ran\n", stderr: "" });
  });
});
