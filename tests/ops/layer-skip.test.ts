import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layerSkip } from "../../src/ops/layer-skip.js";
import { backward } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";
import { describeOp } from "./describe-op.js";

const both = { dx: true, dr: true };
const onlyX = { dx: true, dr: false };
const onlyR = { dx: false, dr: true };

describeOp("layerSkip", {
  cases: [
    { samples: 0, perSample: 3, probability: 0.5, ...both },
    { samples: 1, perSample: 1, probability: 0, ...both },
    { samples: 2, perSample: 3, probability: 0, ...both },
    { samples: 7, perSample: 4, probability: 0.5, ...both },
    { samples: 9, perSample: 5, probability: 0.5, ...onlyX },
    { samples: 9, perSample: 31, probability: 0.25, ...onlyR },
    { samples: 5, perSample: 16_384, probability: 0.5, ...both },
    { samples: 4, perSample: 20_011, probability: 0.5, ...both },
    { samples: 3, perSample: 5, probability: 1, ...both },
  ],
  shapes: fc.record({
    samples: fc.integer({ min: 1, max: 9 }),
    perSample: fc.integer({ min: 1, max: 99 }),
    probability: fc.constantFrom(0, 0.3, 0.9),
    dx: fc.boolean(),
    dr: fc.boolean(),
  }),
  setup: ({ samples, perSample, probability, dx, dr }, draw) => {
    const count = samples * perSample;
    const gradients: Record<string, string> = {};
    if (dx) gradients.x = "dx";
    if (dr) gradients.r = "dr";
    return {
      inputs: {
        x: draw.normal(count),
        r: draw.normal(count),
        rng: probability > 0 ? draw.rng() : undefined,
        dy: draw.normal(count),
      },
      outputs: { y: count, dx: dx ? count : undefined, dr: dr ? count : undefined },
      run: (kernels, at) => {
        kernels.layerSkip(at.y, at.x, at.r, at.rng, samples, perSample, probability, 3);
        kernels.layerSkipGrad(at.dx, at.dr, at.dy, at.rng, samples, perSample, probability, 3);
      },
      loss: { y: "dy" },
      gradients,
    };
  },
});

describe.each(devices)("layerSkip on $name", ({ open }) => {
  it("takes whole samples of one or the other, and sends their gradient there", async () => {
    using device = open();
    device.setRandom(5, 2, 0);
    const samples = 400;
    const skipped = await device.scoped(async () => {
      const x = device.from(new Float32Array(samples * 3).fill(1), [samples, 3]);
      const r = device.from(new Float32Array(samples * 3).fill(2), [samples, 3]);
      x.requiresGrad = r.requiresGrad = true;
      const y = layerSkip(x, r, { probability: 0.25, purpose: 7 });
      const values = await y.read();
      backward(y);
      const [dx, dr] = [await x.grad!.read(), await r.grad!.read()];
      expect([...dx]).toEqual(Array.from(values, (value) => (value === 1 ? 1 : 0)));
      expect([...dr]).toEqual(Array.from(values, (value) => (value === 2 ? 2 : 0)));
      const bySample = Array.from({ length: samples }, (_, s) => [...values.subarray(3 * s, 3 * s + 3)]);
      for (const sample of bySample) expect(new Set(sample).size).toBe(1);
      return bySample.filter((sample) => sample[0] === 2).length;
    });
    // Binomial with mean 100 and deviation 8.7.
    expect(skipped).toBeGreaterThan(65);
    expect(skipped).toBeLessThan(135);
  });

  it("is the layer's output for probability 0", () => {
    using device = open();
    device.scoped(() => {
      const x = device.from([1, 2], [2, 1]);
      expect(layerSkip(x, device.from([3, 4], [2, 1]), { probability: 0, purpose: 0 })).toBe(x);
    });
  });
});
