/** Products too large for the op tests: every way of blocking them, the same bits for any number of threads, right by a few dot products. */
import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import { threadVariants } from "../ops/engines.js";

const engines = await Promise.all(
  threadVariants.map(async ({ name, open }) => ({ name, backends: await Promise.all([1, 2, 3].map((threads) => open(threads))) })),
);
afterAll(() => {
  for (const { backends } of engines) for (const backend of backends) backend.close();
});

/** Numbers in [-1, 1), the same at every run. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

interface Product {
  y: Float32Array;
  dx: Float32Array;
  dWeight: Float32Array;
  dBias: Float32Array;
}

async function compute(backend: Backend, rows: number, inDim: number, outDim: number, inputs: Float32Array[]): Promise<Product> {
  const { heap, kernels } = backend;
  const place = (values: Float32Array) => {
    const pointer = heap.allocate(values.byteLength, "test");
    heap.upload(pointer, new Uint8Array(values.buffer));
    return pointer;
  };
  const [x, weight, bias, dy, dWeight, dBias] = inputs.map(place);
  const y = place(new Float32Array(rows * outDim).fill(Number.NaN));
  const dx = place(new Float32Array(rows * inDim).fill(Number.NaN));
  kernels.linear(y, x, weight, bias, rows, inDim, outDim);
  kernels.linearGradInput(dx, dy, weight, rows, inDim, outDim);
  kernels.linearGradWeight(dWeight, dBias, dy, x, rows, inDim, outDim);
  const read = async (pointer: number, count: number) => new Float32Array(await heap.download(pointer, 4 * count));
  const product = {
    y: await read(y, rows * outDim),
    dx: await read(dx, rows * inDim),
    dWeight: await read(dWeight, inDim * outDim),
    dBias: await read(dBias, outDim),
  };
  for (const pointer of [x, weight, bias, dy, dWeight, dBias, y, dx]) heap.free(pointer);
  return product;
}

/** sum of a[i] * b[i] in double, and of its absolute terms, which bounds the rounding error. */
function dot(count: number, a: (i: number) => number, b: (i: number) => number): { sum: number; size: number } {
  let sum = 0;
  let size = 0;
  for (let i = 0; i < count; i++) {
    sum += a(i) * b(i);
    size += Math.abs(a(i) * b(i));
  }
  return { sum, size };
}

describe.each([
  ["several blocks of rows, columns and depth", 613, 800, 290],
  ["a gradient split over the rows", 3200, 96, 288],
  ["a gradient too large to split", 1000, 530, 610],
  ["a gradient too long to split", 300, 9000, 3],
  ["a weight packed in parts of its depth", 7, 2500, 2300],
  ["a weight packed in parts of its columns", 13, 390, 11_500],
])("%s: %i x %i x %i", (_, rows, inDim, outDim) => {
  const sizes = [rows * inDim, outDim * inDim, outDim, rows * outDim, outDim * inDim, outDim];
  const inputs = sizes.map((size, i) => numbers(size, i + 1));

  it.each(engines)("gives the same bits with 1, 2 and 3 threads on $name", async ({ backends }) => {
    const [one, ...others] = await Promise.all(backends.map((backend) => compute(backend, rows, inDim, outDim, inputs)));
    for (const other of others) {
      for (const name of ["y", "dx", "dWeight", "dBias"] as const) {
        expect(Buffer.from(one[name].buffer).equals(Buffer.from(other[name].buffer)), name).toBe(true);
      }
    }
  });

  it.each(engines)("is right wherever it is looked at on $name", async ({ backends }) => {
    const product = await compute(backends[1], rows, inDim, outDim, inputs);
    const [x, weight, bias, dy, dWeight, dBias] = inputs;
    const near = (got: number, { sum, size }: { sum: number; size: number }, start: number) =>
      expect(Math.abs(got - sum - start)).toBeLessThanOrEqual(2e-7 * (size + Math.abs(start)) * Math.sqrt(8));
    const spread = (count: number) => [0, 1, count - 1, ...numbers(40, count).map((value) => Math.floor(((value + 1) / 2) * count))];
    const [someRows, someIn, someOut] = [spread(rows), spread(inDim), spread(outDim)];
    for (let i = 0; i < someRows.length; i++) {
      const [r, c, o] = [someRows[i], someIn[i], someOut[i]];
      near(
        product.y[r * outDim + o],
        dot(
          inDim,
          (k) => x[r * inDim + k],
          (k) => weight[o * inDim + k],
        ),
        bias[o],
      );
      near(
        product.dx[r * inDim + c],
        dot(
          outDim,
          (k) => dy[r * outDim + k],
          (k) => weight[k * inDim + c],
        ),
        0,
      );
      near(
        product.dWeight[o * inDim + c],
        dot(
          rows,
          (k) => dy[k * outDim + o],
          (k) => x[k * inDim + c],
        ),
        dWeight[o * inDim + c],
      );
      near(
        product.dBias[o],
        dot(
          rows,
          (k) => dy[k * outDim + o],
          () => 1,
        ),
        dBias[o],
      );
    }
    expect([product.y, product.dx, product.dWeight].some((values) => values.some(Number.isNaN))).toBe(false);
  });
});
