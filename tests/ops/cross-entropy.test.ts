import * as fc from "fast-check";
import { describeOp } from "./describe-op.js";

describeOp("crossEntropy", {
  cases: [
    { rows: 1, classes: 1, soft: false, scale: 1 },
    { rows: 3, classes: 3, soft: true, scale: 1 },
    { rows: 4, classes: 4, soft: false, scale: 1 },
    { rows: 5, classes: 5, soft: true, scale: 10 },
    { rows: 64, classes: 10, soft: true, scale: 1 },
    { rows: 211, classes: 101, soft: false, scale: 3 },
  ],
  shapes: fc.record({
    rows: fc.integer({ min: 1, max: 30 }),
    classes: fc.integer({ min: 2, max: 40 }),
    soft: fc.boolean(),
    scale: fc.constantFrom(1, 30),
  }),
  setup: ({ rows, classes, soft, scale }, draw) => {
    const labels = draw.ints(rows, 0, classes);
    const mixture = draw.uniform(rows * classes).map((value) => value / classes);
    // Every fifth row of several is padding: its target is all zero.
    const wanted = (r: number, c: number) => (c === labels[r] ? 1 : 0) + (soft ? mixture[r * classes + c] : 0);
    return {
      inputs: {
        logits: draw.normal(rows * classes, scale),
        targets: Float32Array.from({ length: rows * classes }, (_, e) => {
          const r = Math.floor(e / classes);
          return rows > 1 && r % 5 === 4 ? 0 : wanted(r, e % classes);
        }),
        normalizer: Float32Array.of(rows),
      },
      outputs: { stats: 2, dLogits: rows * classes },
      scalars: ["stats"],
      run: (kernels, at) => kernels.crossEntropy(at.stats, at.dLogits, at.logits, at.targets, at.normalizer, rows, classes),
      loss: { stats: [1, 0] },
      gradients: { logits: "dLogits" },
    };
  },
});
