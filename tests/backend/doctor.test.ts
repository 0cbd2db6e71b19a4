import { describe, expect, it } from "vitest";
import type { EngineName } from "../../src/backend/backend.js";
import { cudaLacks } from "../../src/backend/cuda.js";
import { automatic, engines } from "../../src/backend/doctor.js";
import { probeNative } from "../../src/backend/native.js";
import { openBackend } from "../../src/backend/open.js";

const status = await engines();
const probe = await probeNative();

function engine(name: EngineName) {
  return status.find((entry) => entry.name === name)!;
}

describe("engines", () => {
  it("lists every engine once, in the order of auto, each with a reason", () => {
    expect(status.map(({ name }) => name)).toEqual(["cuda", "cpu", "wasm", "reference"]);
    for (const { reason } of status) expect(reason).not.toBe("");
  });

  it("has WASM and the reference on every machine", () => {
    expect(engine("wasm")).toMatchObject({ available: true, reason: expect.stringMatching(/^WASM SIMD128.*thread/) });
    expect(engine("reference").available).toBe(true);
  });

  it("has the native CPU engine where the addon works, and names the instruction set", () => {
    if ("error" in probe) expect(engine("cpu")).toMatchObject({ available: false, reason: probe.error });
    else
      expect(engine("cpu")).toMatchObject({
        available: true,
        reason: expect.stringContaining(`native ${probe.instructionSets[0]}, up to`),
      });
  });

  it("says of CUDA what the addon found, and has it where a device can run it", () => {
    const found = "error" in probe ? probe.error : (probe.cuda.devices[0]?.name ?? probe.cuda.reason);
    expect(engine("cuda").reason).toContain(found);
    const usable = !("error" in probe) && probe.cuda.devices.some((device) => cudaLacks(device) === null);
    expect(engine("cuda").available).toBe(usable);
  });

  it("leaves CUDA and the reference to those who ask for them", () => {
    expect(automatic(status).map(({ name }) => name)).toEqual(["cpu", "wasm"]);
  });
});

describe("openBackend", () => {
  it("opens each available engine by name, and it computes", async () => {
    for (const { name } of status.filter(({ available }) => available)) {
      const backend = await openBackend(name, { threads: 1, memoryLimit: 2 ** 26 });
      try {
        expect(backend).toMatchObject({ name, threads: 1 });
        const pointer = backend.heap.allocate(12, "test");
        backend.kernels.fill(pointer, 3, 1.5);
        expect([...new Float32Array(await backend.heap.download(pointer, 12))]).toEqual([1.5, 1.5, 1.5]);
      } finally {
        backend.close();
      }
    }
  });

  it("takes the first available engine for auto, with the threads asked for", async () => {
    const backend = await openBackend("auto", { threads: 2 });
    try {
      expect(backend.name).toBe(automatic(status).find(({ available }) => available)!.name);
      expect(backend.threads).toBe(2);
    } finally {
      backend.close();
    }
  });

  it("holds the memory limit", async () => {
    const backend = await openBackend("auto", { threads: 1, memoryLimit: 2 ** 20 });
    try {
      expect(() => backend.heap.allocate(2 ** 21, "test")).toThrow(/out of memory: test/);
    } finally {
      backend.close();
    }
  });

  it("throws for an engine that isn't there, with its reason and what there is", async () => {
    for (const { name, reason } of status.filter(({ available }) => !available)) {
      const error: Error = await openBackend(name).then(
        () => expect.unreachable(`${name} opened`),
        (thrown) => thrown,
      );
      expect(error.message).toContain(`${name} is not available: ${reason}`);
      expect(error.message).toMatch(/available here: (cuda, )?(cpu, )?wasm, reference/);
    }
  });

  it("throws for an unknown name and for options out of range", async () => {
    await expect(openBackend("gpu" as EngineName)).rejects.toThrow(
      'engine: expected one of auto, cuda, cuda:1 (and so on), cpu, wasm, reference, got "gpu"',
    );
    for (const name of ["cuda:", "cuda:x", "cuda:-1", "cpu:1", "cuda:1234"]) {
      await expect(openBackend(name as EngineName)).rejects.toThrow("engine: expected one of");
    }
    await expect(openBackend("wasm", { precision: "tf32" })).rejects.toThrow("precision: tf32 is of the engine cuda; wasm computes in f32");
    await expect(openBackend("reference", { precision: "bf16" })).rejects.toThrow("precision: bf16 is of the engine cuda; reference");
    await expect(openBackend("cuda", { precision: "f16" as "f32" })).rejects.toThrow(
      'precision: expected one of f32, tf32, bf16, got "f16"',
    );
    await expect(openBackend("wasm", { threads: 0 })).rejects.toThrow("threads: expected a whole number of at least 1, got 0");
    await expect(openBackend("wasm", { threads: 1.5 })).rejects.toThrow("got 1.5");
    await expect(openBackend("wasm", { memoryLimit: Number.NaN })).rejects.toThrow("memoryLimit");
  });
});
