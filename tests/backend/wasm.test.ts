/** The WASM engine's memory, threads and life: limits, errors, large addresses, and a process that ends by itself. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { OutOfMemoryError } from "../../src/backend/backend.js";
import { createWasmBackend, type WasmBackend, type WasmOptions } from "../../src/backend/wasm.js";
import { hasRelaxedSimd, loadWasmModule } from "../../src/backend/wasm-module.js";

const MIB = 2 ** 20;
const opened: WasmBackend[] = [];

function open(options: WasmOptions): WasmBackend {
  const backend = createWasmBackend(options);
  opened.push(backend);
  return backend;
}

afterEach(() => {
  for (const backend of opened.splice(0)) backend.close();
});

async function floats(backend: WasmBackend, pointer: number, count: number): Promise<number[]> {
  return [...new Float32Array(await backend.heap.download(pointer, 4 * count))];
}

describe("memory", () => {
  it("keeps what was uploaded while it grows", async () => {
    const backend = open({ threads: 1 });
    const first = backend.heap.allocate(12, "first");
    backend.heap.upload(first, new Uint8Array(Float32Array.of(1, 2, 3).buffer));
    const large = backend.heap.allocate(64 * MIB, "large");
    backend.kernels.fill(large, 16 * MIB, 7);
    expect(await floats(backend, first, 3)).toEqual([1, 2, 3]);
    expect(await floats(backend, large + 64 * MIB - 4, 1)).toEqual([7]);
  });

  it("reaches addresses beyond 2 GiB, from workers too", async () => {
    const backend = open({ threads: 2 });
    backend.heap.allocate(2 ** 31, "low half");
    const count = 100_003;
    const [y, x] = [backend.heap.allocate(4 * count, "y"), backend.heap.allocate(4 * count, "x")];
    expect(y).toBeGreaterThan(2 ** 31);
    backend.kernels.fill(x, count, 1.5);
    backend.kernels.add(y, x, x, count);
    expect(new Set(await floats(backend, y, count))).toEqual(new Set([3]));
  });

  it("names what didn't fit, and the limit", () => {
    const { heap } = open({ threads: 1, memoryLimit: MIB });
    expect(() => heap.allocate(2 * MIB, "blocks.0.weight")).toThrow(OutOfMemoryError);
    expect(() => heap.allocate(2 * MIB, "blocks.0.weight")).toThrow(/blocks\.0\.weight needs 2\.0 MiB, 0\.0 MiB of 1\.0 MiB are in use/);
  });

  it("has no room beyond 4 GiB", () => {
    const { heap } = open({ threads: 1 });
    expect(heap.limit).toBeLessThan(2 ** 32);
    expect(() => heap.allocate(2 ** 32, "everything")).toThrow(OutOfMemoryError);
  });

  it("goes on after a kernel found no room for its workspace", async () => {
    const { heap, kernels, ...backend } = open({ threads: 1, memoryLimit: MIB });
    const [y, x, weight] = [16, 16, 16].map((count) => heap.allocate(4 * count, "small"));
    kernels.fill(x, 16, 1);
    for (let i = 0; i < 2000; i++) {
      expect(() => kernels.linear(y, x, weight, 0, 1000, 1000, 1000)).toThrow(OutOfMemoryError);
    }
    kernels.add(y, x, x, 16);
    expect(await floats({ heap, kernels, ...backend }, y, 16)).toEqual(Array(16).fill(2));
  });
});

describe("options", () => {
  it.each([0, -1, 1.5, Number.NaN, 257])("refuses %s threads", (threads) => {
    expect(() => createWasmBackend({ threads })).toThrow(/wasm: threads: expected an integer in \[1, 256\]/);
  });

  it.each([0, -5, Number.NaN])("refuses a memory limit of %s", (memoryLimit) => {
    expect(() => createWasmBackend({ threads: 1, memoryLimit })).toThrow(/wasm: memoryLimit: expected a positive number/);
  });

  it("says which build runs", () => {
    expect(open({ threads: 2 }).description).toBe(`WASM SIMD128${hasRelaxedSimd() ? " + relaxed SIMD" : ""}, 2 threads`);
    expect(open({ threads: 1, relaxedSimd: false }).description).toBe("WASM SIMD128, 1 thread");
  });

  it("says how to get a build that is missing", () => {
    const folder = mkdtempSync(join(tmpdir(), "data2vec-"));
    try {
      expect(() => loadWasmModule(false, pathToFileURL(`${folder}/`))).toThrow(/^wasm: .*data2vec\.wasm is missing\nrun npm run build$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a process with a pool of workers", () => {
  const engine = JSON.stringify(new URL("../../dist/backend/wasm.js", import.meta.url).href);
  const run = (body: string) => {
    const program = `import { createWasmBackend } from ${engine};
      const backend = createWasmBackend({ threads: 3 });
      const count = 1_000_000;
      const y = backend.heap.allocate(4 * count, "y");
      const work = () => backend.kernels.fill(y, count, 1);
      const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      ${body}
      console.log("done");`;
    return promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], { timeout: 30_000 });
  };

  it.each([
    ["returns right after work", "work();"],
    ["returns without any work", ""],
    ["returns while the workers sleep", "work(); await pause(200);"],
    ["wakes sleeping workers", "work(); await pause(200); work(); await pause(50); work();"],
    ["closes the engine", "work(); await pause(50); backend.close(); backend.close();"],
    [
      "opens many engines",
      "for (let i = 0; i < 8; i++) { const b = createWasmBackend({ threads: 3 }); b.kernels.fill(b.heap.allocate(400, 'y'), 100, 1); b.close(); }",
    ],
  ])("ends by itself when it %s", async (_, body) => {
    expect((await run(body)).stdout).toBe("done\n");
  });

  it("fails, and doesn't hang, when a worker runs out of bounds", async () => {
    // Each row is a task, and only the first of a worker's reads beyond the memory: the others end, and the caller waits for that one.
    const body = `
      const [rows, dim] = [60, 16_384];
      const index = backend.heap.allocate(4 * rows, "index");
      const gather = () => backend.kernels.gatherRows(y, y, index, rows, dim);
      backend.heap.upload(index, new Uint8Array(4 * rows));
      for (let i = 0; i < 50; i++) { await pause(4); gather(); }
      const beyond = Math.floor((2 ** 32 - y) / (4 * dim)) - 1;
      backend.heap.upload(index + 4 * (rows / 3), new Uint8Array(Int32Array.of(beyond).buffer));
      gather();`;
    await expect(run(body)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("RuntimeError") });
  });
});
