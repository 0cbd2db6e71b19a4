import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { automatic, engines, wasmSupport } from "../../src/backend/doctor.js";
import { cli, jsonOf } from "./run-cli.js";

describe("doctor", () => {
  it("gives engine, engines and wasm as JSON, and nothing else", async () => {
    const ended = await cli("doctor", "--json");
    const status = await engines();
    const engine = automatic(status).find(({ available }) => available)!.name;
    expect(jsonOf(ended)).toEqual({ engine, engines: status, wasm: wasmSupport() });
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(jsonOf(ended).wasm.threads).toBe(availableParallelism());
  });

  it("says for people which engine is taken and why others aren't there", async () => {
    const { code, stdout } = await cli("doctor");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^engine: (wasm \(WASM SIMD128|cpu \(native )/m);
    expect(stdout).toMatch(/^ {2}[-+] cuda .*(no CUDA device|compute capability|addon)/m);
  });

  it("verifies every kernel of the engine", async () => {
    const ended = await cli("doctor", "--verify", "--json", "--device", "wasm");
    const { kernels } = jsonOf(ended);
    expect(kernels.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([]);
    expect(kernels.length).toBeGreaterThan(30);
    expect(ended.code).toBe(0);
  });

  it("ends with 1 for an engine that isn't there, and says what there is", async () => {
    for (const { name, reason } of (await engines()).filter(({ available }) => !available)) {
      const { code, stderr } = await cli("doctor", "--device", name);
      expect(stderr).toContain(reason);
      expect(stderr).toContain("available here:");
      expect(code).toBe(1);
    }
  });
});
