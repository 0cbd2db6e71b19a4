import * as fc from "fast-check";
import { expect, it } from "vitest";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { describeOp } from "./describe-op.js";

describeOp("dropout", {
  cases: [
    { samples: 1, perSample: 1, probability: 0.5 },
    { samples: 2, perSample: 3, probability: 0.5 },
    { samples: 3, perSample: 4, probability: 0.25 },
    { samples: 3, perSample: 5, probability: 0 },
    { samples: 7, perSample: 6007, probability: 0.1 },
  ],
  shapes: fc.record({
    samples: fc.integer({ min: 1, max: 9 }),
    perSample: fc.integer({ min: 1, max: 70 }),
    probability: fc.constantFrom(0.1, 0.5, 0.9),
  }),
  setup: ({ samples, perSample, probability }, draw) => {
    const count = samples * perSample;
    return {
      inputs: { x: draw.normal(count), dy: draw.normal(count), rng: draw.rng() },
      outputs: { y: count, dx: count },
      inPlace: { y: "x", dx: "dy" },
      run: (kernels, at) => {
        kernels.dropout(at.y, at.x, at.rng, samples, perSample, probability, 5);
        kernels.dropout(at.dx, at.dy, at.rng, samples, perSample, probability, 5);
      },
      loss: { y: "dy" },
      gradients: { x: "dx" },
    };
  },
});

it("dropout keeps the right share, and draws anew for each step, purpose and sample", async () => {
  const { heap, kernels } = createReferenceBackend();
  const count = 4000;
  const [x, y, rng] = [4 * count, 4 * count, 16].map((bytes, i) => heap.allocate(bytes, `buffer ${i}`));
  kernels.fill(x, count, 1);
  const draw = async (step: number, firstSample: number, purpose: number) => {
    heap.upload(rng, new Uint8Array(Uint32Array.of(1, 2, step, firstSample).buffer));
    kernels.dropout(y, x, rng, 2, count / 2, 0.25, purpose);
    return new Float32Array(await heap.download(y, 4 * count));
  };
  const base = await draw(0, 0, 0);
  const kept = base.filter((value) => value !== 0);
  expect(Math.abs(kept.length / count - 0.75)).toBeLessThan(0.03);
  expect(kept.every((value) => value === Math.fround(1 / 0.75))).toBe(true);
  expect(base.subarray(0, count / 2)).not.toEqual(base.subarray(count / 2));
  for (const other of [await draw(1, 0, 0), await draw(0, 0, 1)]) expect(other).not.toEqual(base);
  expect((await draw(0, 1, 0)).subarray(0, count / 2)).toEqual(base.subarray(count / 2));
});
