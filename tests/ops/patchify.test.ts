import * as fc from "fast-check";
import { expect, it } from "vitest";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { describeOp } from "./describe-op.js";

describeOp("patchify", {
  cases: [
    { batch: 1, channels: 1, rows: 1, columns: 1, patch: 1 },
    { batch: 2, channels: 3, rows: 2, columns: 3, patch: 3 },
    { batch: 1, channels: 2, rows: 3, columns: 2, patch: 4 },
    { batch: 3, channels: 1, rows: 7, columns: 7, patch: 4 },
    { batch: 2, channels: 3, rows: 2, columns: 5, patch: 5 },
    { batch: 5, channels: 3, rows: 7, columns: 5, patch: 16 },
  ],
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    channels: fc.integer({ min: 1, max: 4 }),
    rows: fc.integer({ min: 1, max: 4 }),
    columns: fc.integer({ min: 1, max: 4 }),
    patch: fc.integer({ min: 1, max: 9 }),
  }),
  setup: ({ batch, channels, rows, columns, patch }, draw) => {
    const count = batch * channels * rows * columns * patch * patch;
    return {
      inputs: { image: draw.normal(count) },
      outputs: { y: count },
      run: (kernels, at) => kernels.patchify(at.y, at.image, batch, channels, rows * patch, columns * patch, patch),
    };
  },
});

it("patchify puts the pixels of a patch side by side, channel by channel", async () => {
  const { heap, kernels } = createReferenceBackend();
  const [image, y] = [heap.allocate(64, "image"), heap.allocate(64, "y")];
  heap.upload(image, new Uint8Array(Float32Array.from({ length: 16 }, (_, i) => i).buffer));
  kernels.patchify(y, image, 1, 2, 2, 4, 2);
  const values = [...new Float32Array(await heap.download(y, 64))];
  expect(values).toEqual([0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]);
});
