import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CTC_STATS, type CtcOptions, ctc } from "../../src/ops/ctc.js";
import type { Device } from "../../src/tensor/device.js";
import { backward } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";
import { Draw, describeOp } from "./describe-op.js";

const plain = { lengths: false, scale: 1, blank: 0 };

describeOp("ctc", {
  cases: [
    { batch: 0, time: 5, classes: 4, maxTarget: 2, ...plain },
    { batch: 2, time: 0, classes: 4, maxTarget: 2, ...plain },
    { batch: 1, time: 1, classes: 1, maxTarget: 0, ...plain },
    { batch: 1, time: 1, classes: 2, maxTarget: 1, ...plain },
    { batch: 3, time: 7, classes: 3, maxTarget: 3, ...plain },
    { batch: 4, time: 9, classes: 5, maxTarget: 6, lengths: true, scale: 1, blank: 4 },
    { batch: 3, time: 31, classes: 17, maxTarget: 9, lengths: true, scale: 4, blank: 2 },
    { batch: 2, time: 40, classes: 5, maxTarget: 7, lengths: true, scale: 100, blank: 0 },
    { batch: 3, time: 211, classes: 32, maxTarget: 41, lengths: true, scale: 2, blank: 0 },
    { batch: 1, time: 2003, classes: 7, maxTarget: 211, ...plain },
    { batch: 1, time: 2003, classes: 7, maxTarget: 211, ...plain, scale: 10_000 },
  ],
  shapes: fc.record({
    batch: fc.integer({ min: 1, max: 4 }),
    time: fc.integer({ min: 1, max: 20 }),
    classes: fc.integer({ min: 2, max: 9 }),
    maxTarget: fc.integer({ min: 0, max: 8 }),
    lengths: fc.boolean(),
    scale: fc.constantFrom(1, 30, 1000),
    blank: fc.constantFrom(0, 1),
  }),
  setup: ({ batch, time, classes, maxTarget, lengths, scale, blank }, draw) => {
    const count = batch * time * classes;
    return {
      inputs: {
        logits: draw.normal(count, scale),
        targets: draw.ints(batch * maxTarget, 0, Math.max(1, classes - 1)).map((label) => (label < blank ? label : label + 1)),
        targetLengths: draw.ints(batch, lengths ? 0 : maxTarget, maxTarget + 1),
        frameLengths: lengths ? draw.ints(batch, 0, time + 1) : undefined,
        normalizer: Float32Array.of(3),
      },
      outputs: { stats: 2, dLogits: count },
      scalars: ["stats"],
      run: (kernels, at) => {
        const sizes = [batch, time, classes, maxTarget, blank] as const;
        kernels.ctc(at.stats, at.dLogits, at.logits, at.targets, at.targetLengths, at.frameLengths, at.normalizer, ...sizes);
      },
      loss: { stats: [1, 0] },
      gradients: { logits: "dLogits" },
    };
  },
});

/** The negative log-likelihood by its definition: the sum over all sequences of classes that become the target. */
function byEnumeration(logits: Float32Array, frames: number, classes: number, target: readonly number[], blank: number): number {
  const p = Array.from({ length: frames }, (_, t) => {
    const exponentials = Array.from(logits.subarray(t * classes, (t + 1) * classes), (value) => Math.exp(value));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    return exponentials.map((value) => value / sum);
  });
  let likelihood = 0;
  for (let number = 0; number < classes ** frames; number++) {
    const path = Array.from({ length: frames }, (_, t) => Math.floor(number / classes ** t) % classes);
    const labels = path.filter((c, t) => c !== path[t - 1]).filter((c) => c !== blank);
    if (labels.join() === target.join()) likelihood += path.reduce((product, c, t) => product * p[t][c], 1);
  }
  return -Math.log(likelihood);
}

const indices = (device: Device, values: readonly number[], shape = [values.length]) => device.fromIndices(Int32Array.from(values), shape);

/** One sample: what the op returns, and its gradient. */
function runOne(device: Device, values: Float32Array, frames: number, classes: number, target: readonly number[], blank: number) {
  return device.scoped(async () => {
    const logits = device.from(values, [1, frames, classes]);
    logits.requiresGrad = true;
    const targets = indices(device, target, [1, target.length]);
    const stats = ctc(logits, { targets, targetLengths: indices(device, [target.length]), frameLengths: null, blank });
    backward(stats);
    const [loss, infinite] = await stats.read();
    return { loss, infinite, gradient: (await logits.grad!.read()) as Float32Array };
  });
}

describe.each(devices)("ctc on $name", ({ open }) => {
  it.each([
    { frames: 1, target: [] },
    { frames: 1, target: [1] },
    { frames: 4, target: [] },
    { frames: 4, target: [2] },
    { frames: 3, target: [1, 2, 1] },
    { frames: 3, target: [1, 1] },
    { frames: 5, target: [2, 2, 1] },
    { frames: 6, target: [1, 1, 3] },
    { frames: 6, target: [3, 2] },
  ])("is the sum over all paths: $frames frames, target $target", async ({ frames, target }) => {
    using device = open();
    device.setScalars({ normalizer: 1 });
    const logits = new Draw(`ctc ${frames} ${target}`).normal(frames * 4);
    for (const blank of [0, 3]) {
      const labels = target.map((label) => (label + blank) % 4);
      const { loss, infinite } = await runOne(device, logits, frames, 4, labels, blank);
      expect(infinite).toBe(0);
      expect(Math.abs(loss / byEnumeration(logits, frames, 4, labels, blank) - 1)).toBeLessThan(2e-7);
    }
  });

  it.each([
    { frames: 1, target: [1, 2] },
    { frames: 2, target: [1, 1] },
    { frames: 4, target: [2, 2, 2] },
  ])("gives no loss and no gradient where the target doesn't fit: $frames frames, target $target", async ({ frames, target }) => {
    using device = open();
    device.setScalars({ normalizer: 1 });
    const { loss, infinite, gradient } = await runOne(device, new Draw("misfit").normal(frames * 3), frames, 3, target, 0);
    expect([loss, infinite]).toEqual([0, 1]);
    expect([...gradient]).toEqual(Array(frames * 3).fill(0));
  });

  it("stays finite over 2,000 frames of extreme logits, with a gradient that sums to 0 in each frame", async () => {
    using device = open();
    device.setScalars({ normalizer: 1 });
    const [frames, classes] = [2000, 5];
    const target = [...new Draw("extreme target").ints(200, 1, classes)];
    // The blank is all but certain everywhere: every path through the target costs 1,000 a label.
    const logits = new Float32Array(frames * classes).map((_, e) => (e % classes === 0 ? 1000 : 0));
    const { loss, infinite, gradient } = await runOne(device, logits, frames, classes, target, 0);
    expect(infinite).toBe(0);
    // Minus the logarithm of the number of ways to place the labels, at most 2,000 over 200.
    expect(loss).toBeLessThan(200_000);
    expect(loss).toBeGreaterThan(200_000 - 660);
    for (let t = 0; t < frames; t++) {
      const row = gradient.subarray(t * classes, (t + 1) * classes);
      expect(Math.abs(row.reduce((a, b) => a + b, 0))).toBeLessThan(1e-6);
    }
    // 200 labels are wanted where the softmax gives none.
    const wanted = gradient.reduce((sum, value, e) => (e % classes === 0 ? sum : sum - value), 0);
    expect(wanted).toBeCloseTo(200, 3);
  });

  it("takes a logit of -infinity for an impossible class, and passes on what is no number", async () => {
    using device = open();
    device.setScalars({ normalizer: 1 });
    const never = Number.NEGATIVE_INFINITY;
    const possible = await runOne(device, Float32Array.of(0, 0, never, 0, 0, never), 2, 3, [1], 0);
    expect(possible.loss).toBeCloseTo(-Math.log(0.75), 6);
    expect(possible.gradient.every(Number.isFinite)).toBe(true);
    const impossible = await runOne(device, Float32Array.of(0, 0, never, 0, 0, never), 2, 3, [2], 0);
    expect([impossible.loss, impossible.infinite]).toEqual([0, 1]);
    const broken = await runOne(device, Float32Array.of(0, 0, 0, 0, 0, Number.NaN), 2, 3, [1], 0);
    expect(broken.loss).toBeNaN();
    expect([...broken.gradient.subarray(3)].every(Number.isNaN)).toBe(true);
  });

  it("names its statistics, and refuses what doesn't fit", async () => {
    using device = open();
    device.setScalars({ normalizer: 2 });
    await device.scoped(async () => {
      const logits = device.from(new Float32Array(12), [2, 2, 3]);
      const targets = indices(device, [1, 2, 1, 1], [2, 2]);
      const good: CtcOptions = { targets, targetLengths: indices(device, [2, 2]), frameLengths: indices(device, [2, 2]), blank: 0 };
      const stats = await ctc(logits, good).read();
      expect(stats[CTC_STATS.loss]).toBeCloseTo(Math.log(9) / 2, 6);
      expect(stats[CTC_STATS.infinite]).toBe(1);
      const refused = (options: Partial<CtcOptions>) => expect(() => ctc(logits, { ...good, ...options }));
      refused({ targets: indices(device, [1, 2]) }).toThrow("ctc: targets: expected [2,2], got [2]");
      refused({ targetLengths: indices(device, [1]) }).toThrow("ctc: targetLengths: expected [2], got [1]");
      refused({ frameLengths: indices(device, [1]) }).toThrow("ctc: frameLengths: expected [2], got [1]");
      refused({ blank: 3 }).toThrow("ctc: blank: expected a class below 3, got 3");
      expect(() => ctc(logits.reshape([4, 3]), good)).toThrow("ctc: logits: expected three axes");
    });
  });
});
