/** The native CPU engine's memory, arguments, threads and life; its kernels are held by tests/ops. */
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { OutOfMemoryError } from "../../src/backend/backend.js";
import { type CpuBackend, type CpuOptions, openCpuBackend } from "../../src/backend/cpu.js";
import { addon, instructionSets } from "../ops/engines.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const opened: CpuBackend[] = [];

function open(options: CpuOptions): CpuBackend {
  const backend = openCpuBackend(addon!, options);
  opened.push(backend);
  return backend;
}

afterEach(() => {
  for (const backend of opened.splice(0)) backend.close();
});

async function floats({ heap }: CpuBackend, pointer: number, count: number): Promise<number[]> {
  return [...new Float32Array(await heap.download(pointer, 4 * count))];
}

describe.skipIf(addon === null)("the native CPU engine", () => {
  describe("memory", () => {
    it("keeps what was uploaded while it grows", async () => {
      const backend = open({ threads: 1 });
      const first = backend.heap.allocate(12, "first");
      backend.heap.upload(first, new Uint8Array(Float32Array.of(1, 2, 3).buffer));
      const large = backend.heap.allocate(200 * MIB, "large");
      backend.kernels.fill(large, 50 * MIB, 7);
      expect(await floats(backend, first, 3)).toEqual([1, 2, 3]);
      expect(await floats(backend, large + 200 * MIB - 4, 1)).toEqual([7]);
    });

    it("reaches addresses beyond 4 GiB, from workers too, and takes memory only for what is used", async () => {
      const backend = open({ threads: 2, memoryLimit: 8 * GIB });
      const before = process.memoryUsage().rss;
      backend.heap.allocate(5 * GIB, "low addresses");
      const count = 100_003;
      const [y, x] = [backend.heap.allocate(4 * count, "y"), backend.heap.allocate(4 * count, "x")];
      expect(y).toBeGreaterThan(2 ** 32);
      backend.kernels.fill(x, count, 1.5);
      backend.kernels.add(y, x, x, count);
      expect(new Set(await floats(backend, y, count))).toEqual(new Set([3]));
      expect(await floats(backend, x, 2)).toEqual([1.5, 1.5]);
      expect(process.memoryUsage().rss - before).toBeLessThan(GIB);
    });

    it("uploads part of an array and downloads a copy", async () => {
      const backend = open({ threads: 1 });
      const pointer = backend.heap.allocate(8, "bytes");
      backend.heap.upload(pointer, Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9).subarray(1, 9));
      const copy = new Uint8Array(await backend.heap.download(pointer, 8));
      expect([...copy]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      copy.fill(0);
      backend.heap.upload(pointer, new Uint8Array(0));
      expect([...new Uint8Array(await backend.heap.download(pointer + 4, 4))]).toEqual([5, 6, 7, 8]);
      expect(await backend.heap.download(pointer, 0)).toEqual(new ArrayBuffer(0));
    });

    it("names what didn't fit, and the limit", () => {
      const { heap } = open({ threads: 1, memoryLimit: MIB });
      expect(() => heap.allocate(2 * MIB, "blocks.0.weight")).toThrow(OutOfMemoryError);
      expect(() => heap.allocate(2 * MIB, "blocks.0.weight")).toThrow(/blocks\.0\.weight needs 2\.0 MiB, 0\.0 MiB of 1\.0 MiB are in use/);
    });

    it("goes on after a kernel found no room for its workspace", async () => {
      const backend = open({ threads: 2, memoryLimit: MIB });
      const { heap, kernels } = backend;
      const [y, x, weight] = [16, 16, 16].map((count) => heap.allocate(4 * count, "small"));
      kernels.fill(x, 16, 1);
      for (let i = 0; i < 2000; i++) {
        expect(() => kernels.linear(y, x, weight, 0, 1000, 1000, 1000)).toThrow(OutOfMemoryError);
      }
      kernels.add(y, x, x, 16);
      expect(await floats(backend, y, 16)).toEqual(Array(16).fill(2));
    });

    it("refuses ranges outside of it", async () => {
      const { heap } = open({ threads: 1 });
      const end = 64 * MIB;
      heap.allocate(MIB, "some");
      for (const pointer of [0, -64, end - 4, end, Number.NaN, 2 ** 52]) {
        expect(() => heap.upload(pointer, new Uint8Array(8))).toThrow("upload: the range is not in the heap");
        await expect(heap.download(pointer, 8)).rejects.toThrow("download: the range is not in the heap");
      }
      await expect(heap.download(64, -1)).rejects.toThrow("download: the range is not in the heap");
    });

    it("says so when the system has no such address space", () => {
      expect(() => open({ threads: 1, memoryLimit: 2 ** 50 })).toThrow(
        /^cpu: the system gives no address space of \d+ MiB\nlower the memory/,
      );
    });
  });

  describe("arguments of a kernel", () => {
    it.each([
      [[64, 3], "fill: expected 3 arguments, got 2"],
      [[64, 3, 1, 1], "fill: expected 3 arguments, got 4"],
      [[64, 3, "x"], "fill: argument 3: expected a number"],
      [[64, 1.5, 1], "fill: argument 2: expected a 32-bit integer, got 1.5"],
      [[64, 2 ** 31, 1], "fill: argument 2: expected a 32-bit integer"],
      [[64, Number.NaN, 1], "fill: argument 2: expected a 32-bit integer"],
      [[-64, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
      [[66, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
      [[64 * MIB, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
      [[Number.NaN, 1, 1], "fill: argument 1: expected an aligned address in the heap"],
    ])("are refused when they can't be what it takes: %j", async (values, message) => {
      const backend = open({ threads: 1 });
      const pointer = backend.heap.allocate(64, "y");
      backend.kernels.fill(pointer, 16, 5);
      const fill = backend.kernels.fill as (...values: unknown[]) => void;
      expect(() => fill(...values)).toThrow(message);
      expect(await floats(backend, pointer, 16)).toEqual(Array(16).fill(5));
    });
  });

  describe("options", () => {
    it.each([0, -1, 1.5, Number.NaN, 1025])("refuses %s threads", (threads) => {
      expect(() => open({ threads })).toThrow(/cpu: threads: expected an integer in \[1, 1024\]/);
    });

    it.each([0, -5, Number.NaN])("refuses a memory limit of %s", (memoryLimit) => {
      expect(() => open({ threads: 1, memoryLimit })).toThrow(/cpu: memoryLimit: expected a positive number/);
    });

    it("takes the best instruction set and a thread for each core, and says so", () => {
      const threads = availableParallelism();
      expect(open({}).description).toBe(`native ${instructionSets[0]}, ${threads} thread${threads === 1 ? "" : "s"}`);
      for (const instructionSet of instructionSets) {
        expect(open({ threads: 1, instructionSet }).description).toBe(`native ${instructionSet}, 1 thread`);
      }
    });

    it("refuses an instruction set that isn't there", () => {
      expect(() => open({ instructionSet: "AVX-9" })).toThrow(`this machine doesn't have the instruction set "AVX-9"`);
    });
  });

  describe("threads", () => {
    it("share the tasks of many short jobs, more of them than cores, and every task is done once", async () => {
      const backend = open({ threads: 7 });
      const count = 16_384 * 9 + 5;
      const [y, one] = [backend.heap.allocate(4 * count, "y"), backend.heap.allocate(4 * count, "one")];
      backend.kernels.fill(one, count, 1);
      backend.kernels.fill(y, count, 0);
      const jobs = 2000;
      for (let job = 0; job < jobs; job++) {
        backend.kernels.add(y, y, one, count);
        if (job % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(new Set(await floats(backend, y, count))).toEqual(new Set([jobs]));
    });

    it("are an engine's own: two engines take turns", async () => {
      const [first, second] = [open({ threads: 2 }), open({ threads: 3 })];
      const count = 100_000;
      const pointers = [first, second].map(({ heap }) => heap.allocate(4 * count, "y"));
      for (let i = 0; i < 50; i++) {
        first.kernels.fill(pointers[0], count, i);
        second.kernels.fill(pointers[1], count, -i);
      }
      expect(new Set(await floats(first, pointers[0], count))).toEqual(new Set([49]));
      expect(new Set(await floats(second, pointers[1], count))).toEqual(new Set([-49]));
    });
  });

  describe("after close", () => {
    it("throws instead of touching memory that is gone", async () => {
      const backend = open({ threads: 2 });
      const pointer = backend.heap.allocate(64, "y");
      backend.close();
      expect(() => backend.kernels.fill(pointer, 16, 1)).toThrow("fill: the engine is closed");
      expect(() => backend.heap.upload(pointer, new Uint8Array(4))).toThrow("upload: the engine is closed");
      await expect(backend.heap.download(pointer, 4)).rejects.toThrow("download: the engine is closed");
      expect(() => backend.multiplyAdds(1)).toThrow("multiplyAdds: the engine is closed");
      expect(() => backend.heap.allocate(GIB, "late")).toThrow(OutOfMemoryError);
    });
  });

  describe("a process with threads", () => {
    const engine = JSON.stringify(new URL("../../dist/backend/cpu.js", import.meta.url).href);
    const run = (body: string) => {
      const program = `import { createCpuBackend } from ${engine};
        const backend = await createCpuBackend({ threads: 3 });
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
      ["wakes sleeping threads", "work(); await pause(200); work(); await pause(50); work();"],
      ["closes the engine", "work(); await pause(50); backend.close(); backend.close();"],
      ["exits at once", "work(); console.log('done'); process.exit(0);"],
      [
        "opens many engines",
        "for (let i = 0; i < 8; i++) { const b = await createCpuBackend({ threads: 3 }); b.kernels.fill(b.heap.allocate(400, 'y'), 100, 1); b.close(); }",
      ],
      [
        "ends a worker that has an engine",
        `const { Worker } = await import("node:worker_threads");
         const source = "import(" + ${JSON.stringify(engine)} + ").then(async ({ createCpuBackend }) => { const b = await createCpuBackend({ threads: 2 }); b.kernels.fill(b.heap.allocate(400000, 'y'), 100000, 1); });";
         await new Promise((resolve) => new Worker(source, { eval: true }).on("exit", resolve)); work();`,
      ],
    ])("ends by itself when it %s", async (_, body) => {
      expect((await run(body)).stdout).toBe("done\n");
    });
  });
});
