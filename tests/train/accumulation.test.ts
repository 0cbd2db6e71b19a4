/** Gradient accumulation: passes over parts of a batch make the step that one pass over the whole makes. */
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readSafetensors, toFloat32 } from "../../src/checkpoint/safetensors.js";
import type { StepReport } from "../../src/train/trainer.js";
import { type Changes, openDevice, runFinetuning, runPretraining, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const root = await temporaryFolder();
const device = openDevice();
afterAll(() => device.close());
let data: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"));
});

let counter = 0;
/** Steps of a run that is given by how its batch of 8 is divided; dropout and drop path are on. */
async function run(stage: "pretrain" | "finetune", accumulate: number): Promise<{ reports: StepReport[]; checkpoint: string }> {
  // Mixing happens within a pass, so it is another one when the passes are. A large epsilon keeps Adam from blowing up rounding.
  const changes: Changes = {
    model: { emaDecay: 0.8, emaEndDecay: 0.9 },
    data: { mixup: 0, cutmix: 0 },
    train: { steps: 4, batchSize: 8 / accumulate, accumulate, learningRate: 0.01, epsilon: 0.01 },
  };
  const out = path.join(root, `run${counter++}`);
  const options = { config: smallConfig(stage, changes), data, out, device };
  const reports = stage === "pretrain" ? await runPretraining(options) : await runFinetuning(options);
  return { reports, checkpoint: path.join(out, "checkpoint") };
}

async function expectClose(file: string, a: string, b: string, initial: string): Promise<void> {
  const [ours, theirs, before] = await Promise.all([a, b, initial].map((folder) => readSafetensors(path.join(folder, file))));
  let moved = 0;
  let apart = 0;
  for (const [name, tensor] of ours) {
    const [x, y, start] = [tensor, theirs.get(name)!, before.get(name)!].map((values) => toFloat32(values));
    for (let i = 0; i < x.length; i++) {
      apart = Math.max(apart, Math.abs(x[i] - y[i]));
      moved = Math.max(moved, Math.abs(x[i] - start[i]));
    }
  }
  expect(apart, file).toBeLessThan(2e-6);
  // The runs went somewhere: the tolerance is far below what they changed.
  expect(moved).toBeGreaterThan(1e-3);
}

it.each([
  ["pretrain", ["model.safetensors", "head.safetensors", "teacher.safetensors"]],
  ["finetune", ["model.safetensors"]],
] as const)("%s: 2 passes of 4, and 4 of 2, are one of 8", async (stage, files) => {
  const start = await initial(stage);
  const whole = await run(stage, 1);
  for (const accumulate of [2, 4]) {
    const parts = await run(stage, accumulate);
    expect(parts.reports).toHaveLength(whole.reports.length);
    for (const [i, { metrics, gradientNorm, learningRate }] of parts.reports.entries()) {
      const expected = whole.reports[i];
      expect(learningRate).toBe(expected.learningRate);
      expect(metrics.loss / expected.metrics.loss).toBeCloseTo(1, 5);
      expect(gradientNorm / expected.gradientNorm).toBeCloseTo(1, 4);
      expect(metrics.accuracy).toBe(expected.metrics.accuracy);
      expect(metrics.emaDecay).toBe(expected.metrics.emaDecay);
    }
    for (const file of files) await expectClose(file, parts.checkpoint, whole.checkpoint, start);
  }
});

/** The checkpoint of a run whose only step had a learning rate of 0. */
async function initial(stage: "pretrain" | "finetune"): Promise<string> {
  const out = path.join(root, `initial ${stage} ${counter++}`);
  const options = { config: smallConfig(stage, { train: { steps: 1, warmupSteps: 1 } }), data, out, device };
  await (stage === "pretrain" ? runPretraining(options) : runFinetuning(options));
  return path.join(out, "checkpoint");
}
