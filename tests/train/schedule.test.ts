import { describe, expect, it } from "vitest";
import { emaDecayAt } from "../../src/data2vec/teacher.js";
import { learningRateAt } from "../../src/train/schedule.js";

const base = { steps: 100, learningRate: 1, minLearningRate: 0.1, warmupSteps: 10, holdRatio: 0.5, decayRatio: 0.4 };

describe("learning rate", () => {
  it("cosine: rises linearly from 0, peaks at the end of the warm-up, falls by a half cosine", () => {
    const at = (step: number) => learningRateAt({ ...base, schedule: "cosine" }, step);
    expect(at(0)).toBe(0);
    expect(at(9)).toBe(1);
    expect(at(10)).toBe(1);
    expect(at(55)).toBeCloseTo(0.55, 12);
    expect(at(99)).toBeCloseTo(0.1 + 0.45 * (1 + Math.cos((Math.PI * 89) / 90)), 12);
  });

  it("linear: falls in a straight line to the minimum", () => {
    const at = (step: number) => learningRateAt({ ...base, schedule: "linear" }, step);
    expect(at(9)).toBe(1);
    expect(at(10)).toBe(1);
    expect(at(55)).toBeCloseTo(0.55, 12);
    expect(at(100)).toBeCloseTo(0.1, 12);
  });

  it("triStage: linear from a hundredth, constant, exponential to the minimum", () => {
    const at = (step: number) => learningRateAt({ ...base, schedule: "triStage" }, step);
    expect(at(0)).toBe(0.01);
    expect(at(5)).toBeCloseTo(0.505, 12);
    expect(at(10)).toBe(1);
    expect(at(59)).toBe(1);
    expect(at(80)).toBeCloseTo(Math.exp(Math.log(0.1) * 0.5), 12);
    expect(at(100)).toBeCloseTo(0.1, 12);
  });

  it("constant after the warm-up, which may be a fraction of the run", () => {
    const at = (step: number) => learningRateAt({ ...base, warmupSteps: 0.2, schedule: "constant" }, step);
    expect(at(19)).toBe(1);
    expect(at(10)).toBeCloseTo(10 / 19, 12);
    expect(at(99)).toBe(1);
  });
});

describe("decay of the teacher", () => {
  const audio = { emaDecay: 0.999, emaEndDecay: 0.9999, emaAnnealUpdates: 30_000 };

  it("rises linearly and stays (specification, section 10)", () => {
    expect(emaDecayAt(audio, 0)).toBeCloseTo(0.999, 12);
    expect(emaDecayAt(audio, 15_000)).toBeCloseTo(0.99945, 12);
    expect(emaDecayAt(audio, 30_000)).toBe(0.9999);
    expect(emaDecayAt(audio, 50_000)).toBe(0.9999);
  });
});
