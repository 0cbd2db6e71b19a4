/** The CUDA engine over the emulation: memory, transfers, captured steps, errors and life; its kernels are held by tests/ops. */
import { afterEach, describe, expect, it } from "vitest";
import { type Backend, OutOfMemoryError } from "../../src/backend/backend.js";
import { type CudaOptions, cudaLacks } from "../../src/backend/cuda.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { verifyKernels } from "../../src/backend/verify.js";
import { linear } from "../../src/ops/linear.js";
import { Device } from "../../src/tensor/device.js";
import { backward } from "../../src/tensor/tape.js";
import { emulated, openEmulated } from "../ops/engines.js";

const MIB = 2 ** 20;
const ILLEGAL_ADDRESS = 700;
const OUT_OF_MEMORY = 2;
const opened: Backend[] = [];

function open(options: Partial<CudaOptions> = {}): Backend {
  const backend = openEmulated(options);
  opened.push(backend);
  return backend;
}

afterEach(() => {
  for (const backend of opened.splice(0)) backend.close();
});

async function floats({ heap }: Backend, pointer: number, count: number): Promise<number[]> {
  return [...new Float32Array(await heap.download(pointer, 4 * count))];
}

describe("cudaLacks", () => {
  it("refuses devices before compute capability 8.0", () => {
    const device = { name: "Tesla T4", computeCapability: "7.5", multiprocessors: 40, memoryBytes: 16e9 };
    expect(cudaLacks(device)).toBe("Tesla T4 has compute capability 7.5, the kernels need 8.0 (A100) or later");
    for (const computeCapability of ["8.0", "9.0", "10.0", "12.1"]) expect(cudaLacks({ ...device, computeCapability })).toBeNull();
  });
});

describe.skipIf(emulated === null)("the CUDA engine, emulated", () => {
  it("computes every kernel as the reference does", { timeout: 120_000 }, async () => {
    const checks = await verifyKernels(open());
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  describe("memory", () => {
    it("carries uploads larger than the staging memory, and many small ones, in the order of the kernels", async () => {
      const backend = open();
      const count = 12 * MIB + 5;
      const large = Float32Array.from({ length: count }, (_, i) => i % 1013);
      const [x, y] = [backend.heap.allocate(4 * count, "x"), backend.heap.allocate(4 * count, "y")];
      backend.heap.upload(x, new Uint8Array(large.buffer));
      backend.kernels.copy(y, x, count);
      backend.heap.upload(x, new Uint8Array(Float32Array.of(-1).buffer));
      const copied = new Float32Array(await backend.heap.download(y, 4 * count));
      expect(copied.every((value, i) => value === i % 1013)).toBe(true);
      expect(await floats(backend, x, 2)).toEqual([-1, 1]);
      const scalar = backend.heap.allocate(4, "scalar");
      const sum = backend.heap.allocate(4, "sum");
      backend.kernels.fill(sum, 1, 0);
      for (let i = 1; i <= 1000; i++) {
        backend.heap.upload(scalar, new Uint8Array(Float32Array.of(i).buffer));
        backend.kernels.add(sum, sum, scalar, 1);
      }
      expect(await floats(backend, sum, 1)).toEqual([500_500]);
    });

    it("downloads what was there when it was asked, not what is written after", async () => {
      const backend = open();
      const y = backend.heap.allocate(400, "y");
      backend.kernels.fill(y, 100, 1);
      const before = floats(backend, y, 100);
      backend.kernels.fill(y, 100, 2);
      expect(await before).toEqual(Array(100).fill(1));
      expect(await floats(backend, y, 100)).toEqual(Array(100).fill(2));
      expect(await backend.heap.download(y, 0)).toEqual(new ArrayBuffer(0));
    });

    it("keeps many downloads apart", async () => {
      const backend = open();
      const y = backend.heap.allocate(4, "y");
      const reads = Array.from({ length: 40 }, (_, i) => {
        backend.kernels.fill(y, 1, i);
        return floats(backend, y, 1);
      });
      expect(await Promise.all(reads)).toEqual(Array.from({ length: 40 }, (_, i) => [i]));
    });

    it("names what didn't fit, and refuses ranges outside of it", async () => {
      const { heap } = open({ memoryLimit: MIB });
      expect(() => heap.allocate(2 * MIB, "blocks.0.weight")).toThrow(OutOfMemoryError);
      heap.allocate(1024, "some");
      const shared = open({ memoryLimit: 2 ** 40 });
      emulated!.refuseMemory();
      expect(() => shared.heap.allocate(2 ** 39, "moments")).toThrow(
        /^out of memory: moments needs .*, and the device has 3\.0 MiB left\n/,
      );
      expect(() => heap.upload(2 ** 40, new Uint8Array(8))).toThrow("upload: the range is not in the heap");
      await expect(heap.download(0, 8)).rejects.toThrow("download: the range is not in the heap");
    });

    it("goes on after a kernel found no room for its workspace", async () => {
      const backend = open({ memoryLimit: MIB });
      const [y, x] = [backend.heap.allocate(64, "y"), backend.heap.allocate(64, "x")];
      backend.kernels.fill(x, 16, 1);
      expect(() => backend.kernels.squaredNorm(y, x, 2 ** 31 - 1)).toThrow(OutOfMemoryError);
      backend.kernels.add(y, x, x, 16);
      expect(await floats(backend, y, 16)).toEqual(Array(16).fill(2));
    });
  });

  describe("captured steps", () => {
    /** Some steps of training a linear map on inputs of two sizes; `uploads`: the step takes data from the host. */
    async function train(backend: Backend, uploads = false): Promise<{ values: number[]; runs: number }> {
      const device = new Device(backend);
      const weight = device.state([3, 5], "weight");
      weight.requiresGrad = true;
      weight.write(Float32Array.from({ length: 15 }, (_, i) => Math.sin(i)));
      const gradient = device.state([3, 5], "gradient");
      const scale = device.state([1], "scale");
      let runs = 0;
      const step = device.capture((x: ReturnType<Device["from"]>) => {
        runs++;
        if (uploads) scale.write(Float32Array.of(0.5));
        device.kernels.fill(gradient.ptr, gradient.count, 0);
        weight.grad = gradient;
        // The gradient of the outputs is the outputs.
        backward(linear(x, weight, null));
        device.kernels.add(weight.ptr, weight.ptr, gradient.ptr, weight.count);
      });
      for (let i = 0; i < 8; i++) {
        const rows = i % 2 === 0 ? 4 : 7;
        device.scoped(() =>
          step(
            device.from(
              Float32Array.from({ length: rows * 5 }, (_, e) => Math.cos(e + i)),
              [rows, 5],
            ),
          ),
        );
      }
      return { values: [...(await weight.read())], runs };
    }

    it("give what the same steps give as they are, and the host runs only two of each shape", async () => {
      const captured = await train(open());
      const plain = open();
      const eager = await train({ ...plain, capture: (run) => run });
      expect(captured.values).toEqual(eager.values);
      expect([captured.runs, eager.runs]).toEqual([4, 8]);
    });

    it("run as they are where they take data from the host", async () => {
      const captured = await train(open(), true);
      const plain = open();
      expect(captured.values).toEqual((await train({ ...plain, capture: (run) => run }, true)).values);
      expect(captured.runs).toBeGreaterThanOrEqual(8);
    });

    it("are recorded anew after the workspace has moved", async () => {
      const backend = open();
      const count = 100_000;
      const [y, x] = [backend.heap.allocate(4, "y"), backend.heap.allocate(4 * count, "x")];
      let runs = 0;
      const step = backend.capture(
        (n: number) => {
          runs++;
          backend.kernels.squaredNorm(y, x, n);
        },
        (n) => String(n),
      );
      backend.kernels.fill(x, count, 1);
      for (let i = 0; i < 3; i++) step(10);
      expect([runs, await floats(backend, y, 1)]).toEqual([2, [10]]);
      step(count);
      step(10);
      expect([runs, await floats(backend, y, 1)]).toEqual([4, [10]]);
    });

    it("that fail when they are recorded leave the engine as it was", async () => {
      const backend = open();
      const y = backend.heap.allocate(4, "y");
      const step = backend.capture(
        () => backend.kernels.fill(y, 1, 3),
        () => "",
      );
      step();
      emulated!.failNext(901);
      for (let i = 0; i < 3; i++) step();
      expect(await floats(backend, y, 1)).toEqual([3]);
    });
  });

  describe("errors", () => {
    it("carry CUDA's name, the op and its sizes, and leave the engine usable where CUDA does", async () => {
      const backend = open();
      const [y, x] = [backend.heap.allocate(64, "y"), backend.heap.allocate(64, "x")];
      emulated!.failNext(OUT_OF_MEMORY);
      expect(() => backend.kernels.copy(y, x, 16)).toThrow(/^copy\(16\): copy: cudaErrorMemoryAllocation: /);
      backend.kernels.copy(y, x, 16);
      await backend.synchronize();
    });

    it("of a device that is lost are told by every later call", async () => {
      const backend = open();
      const y = backend.heap.allocate(64, "y");
      const read = backend.heap.download(y, 4);
      await read;
      emulated!.failNext(ILLEGAL_ADDRESS);
      expect(() => backend.kernels.copy(y, y, 16)).toThrow("cudaErrorIllegalAddress");
      const lost = /the device is lost since copy: cudaErrorIllegalAddress/;
      expect(() => backend.kernels.fill(y, 16, 1)).toThrow(lost);
      expect(() => backend.heap.upload(y, new Uint8Array(4))).toThrow(lost);
      await expect(backend.heap.download(y, 4)).rejects.toThrow(lost);
      await expect(backend.synchronize()).rejects.toThrow(lost);
    });

    it("of arguments are told before anything runs", () => {
      const backend = open();
      expect(() => backend.kernels.fill(66, 1, 1)).toThrow("fill: argument 1: expected an aligned address in the heap");
    });

    it("of options name them", () => {
      expect(() => open({ memoryLimit: Number.NaN })).toThrow("cuda: memoryLimit: expected a positive number of bytes, got NaN");
      expect(() => open({ device: 7 })).toThrow(/^cuda:7: cudaSetDevice: cudaErrorInvalidDevice/);
      expect(() => open({ precision: "f16" as "f32" })).toThrow("cuda: precision: expected f32, tf32 or bf16, got f16");
    });
  });

  it("works on a second device, beside the first", async () => {
    const backends = [open({ device: 0 }), open({ device: 1 })];
    const pointers = backends.map(({ heap }) => heap.allocate(64, "y"));
    for (const [i, { kernels }] of backends.entries()) kernels.fill(pointers[i], 16, i + 1);
    expect(await Promise.all(backends.map((backend, i) => floats(backend, pointers[i], 1)))).toEqual([[1], [2]]);
  });

  it("throws after close instead of touching memory that is gone, and ends what is under way before", async () => {
    const backend = open();
    const y = backend.heap.allocate(64, "y");
    backend.kernels.fill(y, 16, 5);
    const read = floats(backend, y, 16);
    backend.close();
    expect(await read).toEqual(Array(16).fill(5));
    expect(() => backend.kernels.fill(y, 16, 1)).toThrow("fill: the engine is closed");
    expect(() => backend.heap.upload(y, new Uint8Array(4))).toThrow("upload: the engine is closed");
    await expect(backend.heap.download(y, 4)).rejects.toThrow("download: the engine is closed");
    await expect(backend.synchronize()).rejects.toThrow("synchronize: the engine is closed");
    backend.close();
  });

  it("draws the same random bits as the reference", async () => {
    const run = async (backend: Backend) => {
      const count = 1003;
      const [y, x, rng] = [4 * count, 4 * count, 16].map((bytes) => backend.heap.allocate(bytes, "buffer"));
      backend.kernels.fill(x, count, 1);
      backend.heap.upload(rng, new Uint8Array(Uint32Array.of(7, 8, 9, 10).buffer));
      backend.kernels.dropout(y, x, rng, 1, count, 0.5, 3);
      return floats(backend, y, count);
    };
    const reference = createReferenceBackend();
    expect(await run(open())).toEqual(await run(reference));
  });
});
