import { expect, it } from "vitest";
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
