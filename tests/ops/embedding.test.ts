import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { Embedding } from "../../src/nn/embedding.js";
import { ParameterStore } from "../../src/nn/parameter-store.js";
import { embedding } from "../../src/ops/embedding.js";
import { backward } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";
import { describeOp } from "./describe-op.js";

describeOp("embedding", {
  cases: [
    { rows: 0, count: 3, dim: 5, paddingId: -1 },
    { rows: 1, count: 1, dim: 1, paddingId: -1 },
    { rows: 3, count: 2, dim: 3, paddingId: 1 },
    { rows: 4, count: 9, dim: 4, paddingId: 0 },
    { rows: 5, count: 3, dim: 5, paddingId: -1 },
    { rows: 16, count: 40, dim: 17, paddingId: 1 },
    { rows: 700, count: 211, dim: 131, paddingId: 2 },
    { rows: 4003, count: 17, dim: 37, paddingId: 2 },
    // One id has more rows than a task takes, and ids of several digits.
    { rows: 4003, count: 3, dim: 37, paddingId: -1 },
    { rows: 2003, count: 5003, dim: 3, paddingId: -1 },
    { rows: 67, count: 5003, dim: 3, paddingId: 2 },
  ],
  shapes: fc.record({
    rows: fc.integer({ min: 1, max: 30 }),
    count: fc.integer({ min: 3, max: 30 }),
    dim: fc.integer({ min: 1, max: 50 }),
    paddingId: fc.integer({ min: -1, max: 2 }),
  }),
  setup: ({ rows, count, dim, paddingId }, draw) => {
    const ids = draw.ints(rows, 0, count);
    const dy = draw.normal(rows * dim);
    return {
      // The loss leaves the rows of padding out, whose gradient the kernel must leave out by itself.
      inputs: { table: draw.normal(count * dim), ids, dy, weights: dy.map((w, e) => (ids[Math.floor(e / dim)] === paddingId ? 0 : w)) },
      outputs: { y: rows * dim },
      sums: { dTable: count * dim },
      run: (kernels, at) => {
        kernels.embedding(at.y, at.table, at.ids, rows, dim);
        kernels.embeddingGrad(at.dTable, at.dy, at.ids, rows, dim, paddingId);
      },
      loss: { y: "weights" },
      gradients: { table: "dTable" },
    };
  },
});

describe.each(devices)("Embedding on $name", ({ open }) => {
  it("looks up rows, with the padding row at zero and without a gradient", async () => {
    using device = open();
    const model = new Embedding(5, 3, { kind: "normal", std: 1 }, 1);
    const store = new ParameterStore(device, { "": model }, { trainable: true, label: "model" });
    store.initialize(7);
    const table = (await model.table.value.read()).slice();
    expect([...table.subarray(3, 6)]).toEqual([0, 0, 0]);
    expect(table.filter((value) => value === 0)).toHaveLength(3);
    // The other rows are those of a table without padding.
    const drawn = new Embedding(5, 3, { kind: "normal", std: 1 }).table.draw(new Philox(7, "init table"));
    expect([...table.subarray(6)]).toEqual([...drawn.subarray(6)]);

    await device.scoped(async () => {
      const y = model.forward(device.fromIndices(Int32Array.of(4, 1, 0, 4), [2, 2]));
      expect(y.shape).toEqual([2, 2, 3]);
      const row = (id: number) => [...table.subarray(3 * id, 3 * id + 3)];
      expect([...(await y.read())]).toEqual([...row(4), ...row(1), ...row(0), ...row(4)]);
      // `backward` takes a loss for its own gradient: here the gradient of each row is the row.
      backward(y);
    });
    const gradient = await store.entry("table").parameter.value.grad!.read();
    const doubled = [...table.subarray(12)].map((value) => Math.fround(2 * value));
    expect([...gradient]).toEqual([...table.subarray(0, 3), ...Array(9).fill(0), ...doubled]);
  });

  it("refuses what doesn't fit", () => {
    using device = open();
    expect(() => new Embedding(5, 3, { kind: "constant", value: 1 }, 5)).toThrow("embedding: paddingId: expected an id below 5, got 5");
    device.scoped(() => {
      const flat = device.from([1, 2, 3], [3]);
      expect(() => embedding(flat, device.fromIndices(Int32Array.of(0), [1]))).toThrow("embedding: table: expected two axes");
    });
  });
});
