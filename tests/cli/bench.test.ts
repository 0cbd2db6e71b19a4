import { expect, it } from "vitest";
import { benchKernels } from "../../src/backend/bench-kernels.js";
import { engines } from "../../src/backend/doctor.js";
import { cli } from "./run-cli.js";

const { cpu } = Object.fromEntries((await engines()).map(({ name, available }) => [name, available]));

it.each(["wasm", ...(cpu ? ["cpu"] : [])])(
  "bench gemm gives a row for each number of threads and shape, with the peak, on %s",
  async (engine) => {
    const sizes = ["--threads", "1,2", "--shape", "64x32x48", "--shape", "8x8x8", "--milliseconds", "10"];
    const { code, stdout } = await cli("bench", "gemm", "--device", engine, ...sizes, "--json");
    expect(code).toBe(0);
    const rows = stdout.trimEnd().split("\n");
    const shape = { engine, gflops: expect.any(Number), peakGflops: expect.any(Number) };
    expect(rows.map((row) => JSON.parse(row))).toEqual(
      [1, 2].flatMap((threads) => [
        { ...shape, threads, m: 64, n: 32, k: 48 },
        { ...shape, threads, m: 8, n: 8, k: 8 },
      ]),
    );
    for (const row of rows) expect(JSON.parse(row).gflops).toBeGreaterThan(0);
  },
);

it("bench step measures a whole pretraining step, with the memory it took", async () => {
  const { code, stdout, stderr } = await cli("bench", "step", "--batch", "2", "--steps", "2", "--threads", "1", "--json");
  expect(stderr).not.toContain("error");
  expect(code).toBe(0);
  const row = JSON.parse(stdout);
  expect(row).toMatchObject({ engine: "wasm", modality: "vision", preset: "tiny", threads: 1, batchSize: 2, accumulate: 1 });
  expect(row.samplesPerSecond * row.milliseconds).toBeCloseTo(2000, 3);
  // Two samples of 50 tokens in four blocks of width 96, with a bit for embedding and head: forward and backward once, the teacher once.
  const useful = 4 * 2 * 4 * 50 * (24 * 96 ** 2 + 4 * 50 * 96);
  expect(row.gflopsPerStep * 1e9).toBeGreaterThan(useful);
  expect(row.gflopsPerStep * 1e9).toBeLessThan(1.25 * useful);
  expect(row.peakBytes).toBeGreaterThan(5 * 4 * row.parameters);
});

it("bench kernels gives rates against copy and peak", async () => {
  const rows = await benchKernels({ threads: 1, filter: "ema", milliseconds: 1 });
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ engine: "wasm", kernel: "ema", threads: 1, gflops: 0 });
  expect(rows[0].gigabytes).toBeGreaterThan(0);
  expect(rows[0].copyGigabytes).toBeGreaterThan(0);
});
