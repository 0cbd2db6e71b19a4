/**
 * Products so large that the CPU engines divide what threads compute last: the same bits as of one thread, which divides nothing. Smaller ones,
 * and values, are held by linear.test.ts.
 */
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import { checkThreads, type OpRun } from "./describe-op.js";
import { threadVariants } from "./engines.js";

/** More than 6 blocks of rows, and 6 of outputs or of inputs, on any instruction set. */
const SHAPES = [
  { rows: 1001, inDim: 3, outDim: 733 },
  { rows: 1001, inDim: 1290, outDim: 5 },
];

const sine = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(step * i));

function linearWithGradients({ rows, inDim, outDim }: (typeof SHAPES)[number]): OpRun {
  return {
    inputs: { x: sine(rows * inDim, 0.7), weight: sine(outDim * inDim, 1.3), bias: sine(outDim, 1.9), dy: sine(rows * outDim, 2.3) },
    outputs: { y: rows * outDim, dx: rows * inDim },
    sums: { dWeight: outDim * inDim, dBias: outDim },
    run: (kernels, at) => {
      kernels.linear(at.y, at.x, at.weight, at.bias, rows, inDim, outDim);
      kernels.linearGradInput(at.dx, at.dy, at.weight, rows, inDim, outDim);
      kernels.linearGradWeight(at.dWeight, at.dBias, at.dy, at.x, rows, inDim, outDim);
    },
  };
}

describe.each(threadVariants)("large products on $name", ({ open }) => {
  let backends: Backend[];
  beforeAll(async () => void (backends = await Promise.all([1, 2, 3].map((threads) => open(threads)))));
  afterAll(() => {
    for (const backend of backends) backend.close();
  });

  it.each(SHAPES)("have the same bits on 1, 2 and 3 threads: %j", (shape) => checkThreads(backends, linearWithGradients(shape)));
});
