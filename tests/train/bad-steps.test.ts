/** Steps that go wrong stop the run with the reason, change nothing, and leave the last checkpoint. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTrainerState } from "../../src/checkpoint/trainer-state.js";
import { emaScheduleOf, targetConfigOf } from "../../src/data2vec/config.js";
import { Data2VecPretraining } from "../../src/data2vec/pretraining.js";
import type { Feed } from "../../src/modalities/modality.js";
import type { PreparedBatch } from "../../src/modalities/prepared-batch.js";
import type { VisionConfig } from "../../src/modalities/vision/config.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { loadModel } from "../../src/tasks/load-model.js";
import { Model } from "../../src/tasks/model.js";
import { PretrainTask } from "../../src/tasks/pretrain.js";
import { SupervisedTask } from "../../src/tasks/supervised.js";
import { taskKind } from "../../src/tasks/task-kinds.js";
import type { Device } from "../../src/tensor/device.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { TrainingError } from "../../src/train/errors.js";
import { AdamW } from "../../src/train/optimizer.js";
import { train } from "../../src/train/trainer.js";
import {
  type Changes,
  filesOf,
  metricsOf,
  openDevice,
  resultOf,
  runFinetuning,
  runPretraining,
  smallConfig,
  temporaryFolder,
  writeIdx,
} from "./small-run.js";

const root = await temporaryFolder();
const device = openDevice();
afterAll(() => device.close());
let data: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"));
});

let counter = 0;
const fresh = () => path.join(root, `run${counter++}`);

/** The feed, with NaN for one pixel of micro-batch `bad`. */
function poisoned<T extends { input: Tensor }>(feed: Feed<T>, bad: number): Feed<T> {
  async function* batches(from: number): AsyncGenerator<PreparedBatch<T>> {
    let index = from;
    for await (const batch of feed.batches(from)) {
      const upload: typeof batch.upload = (on) => {
        const from: Device["from"] = (values, shape, label) =>
          on.from(label === "images" ? Float32Array.from(values, (value, i) => (i === 70 ? Number.NaN : value)) : values, shape, label);
        return batch.upload({ from, fromIndices: on.fromIndices.bind(on) } as Device);
      };
      yield index++ === bad ? { ...batch, upload } : batch;
    }
  }
  return { size: feed.size, batchesPerEpoch: feed.batchesPerEpoch, batches, close: () => feed.close() };
}

/** Vision whose training images have a NaN in a micro-batch. */
const poisonedVision = (bad: number): typeof vision => ({
  ...vision,
  openPretraining: async (...args) => poisoned(await vision.openPretraining(...args), bad),
  openLabelled: async (...args) => {
    const opened = await vision.openLabelled(...args);
    return { ...opened, train: poisoned(opened.train, bad) };
  },
});

const failureOf = (run: Promise<unknown>): Promise<Error> =>
  run.then(
    () => expect.fail("the run should have failed"),
    (error) => error,
  );

const stages = [
  ["pretrain", runPretraining],
  ["finetune", runFinetuning],
] as const;

describe.each(stages)("%s: a NaN in an image", (stage, start) => {
  it("stops the run, names step, samples and tensor, and leaves the last checkpoint", async () => {
    const out = fresh();
    const config = smallConfig(stage, { train: { accumulate: 2, saveEvery: 2 } });
    // Micro-batches 6 and 7 make step 4.
    const error = await failureOf(start({ config, data, out, device, modality: poisonedVision(7) }));
    expect(error).toBeInstanceOf(TrainingError);
    expect(error.message).toMatch(
      /^step 4: the loss is NaN; the first tensor that went bad: images\nsamples of the batch: train\/\d+, .*train\/\d+\n/,
    );
    expect(error.message.match(/train\/\d+/g)).toHaveLength(8);
    expect(error.message).toMatch(/the last checkpoint is good: .*train.learningRate/);
    expect((await metricsOf(out)).map(({ step }) => step)).toEqual([1, 2, 3]);

    expect((await readTrainerState(path.join(out, "checkpoint"))).step).toBe(2);
    const { model } = await loadModel(device, vision, out);
    model.release();
    await start({ config, data, out, device, resume: true });
    const whole = fresh();
    await start({ config, data, out: whole, device });
    expect(await resultOf(out)).toEqual(await resultOf(whole));
  });
});

describe("a step that isn't finite", () => {
  it("changes no parameter and no moment", async () => {
    const config = smallConfig("finetune");
    const feed = await poisonedVision(1).openLabelled(data, config, { task: "classify", onSkip: () => {} });
    using model = new Model<Tensor>(device, vision.createEncoder(config, "classify"), vision.createHead(config, "classify", 4), {
      trainable: true,
    });
    model.store.initialize(0);
    const task = new SupervisedTask(model, taskKind("classify", []));
    using optimizer = new AdamW(model.store, config.train, task.depth);
    const state = () => Promise.all([model.store.values.read(), optimizer.m.read(), optimizer.v.read()]);
    const batches = (from: number) => feed.train.batches(from);
    const steps = train({ task, optimizer, batches, config: { ...config.train, warmupSteps: 0 }, startStep: 0 });
    await steps.next();
    const before = await state();
    expect(before[1].some((value) => value !== 0)).toBe(true);
    await expect(steps.next()).rejects.toThrow(TrainingError);
    expect(await state()).toEqual(before);
    await feed.train.close();
  });

  it("changes nothing either when only the teacher's targets are bad", async () => {
    const config = smallConfig("pretrain", { model: { lossBeta: 2, finalTargetNormalization: "none", targetNormalization: "none" } });
    const feed = await vision.openPretraining(data, config, () => {});
    using method = new Data2VecPretraining(
      device,
      (role) => vision.createEncoder(config, role),
      vision.createRegressionHead(config),
      targetConfigOf(config.model),
    );
    method.initialize(0);
    const { offset } = method.ema.teacher.entry("transformer.blocks.1.ffn.down.bias");
    device.kernels.fill(method.ema.teacher.values.ptr + 4 * (offset + 5), 1, Number.NaN);
    const task = new PretrainTask(method, emaScheduleOf(config.model, config.train.steps));
    using optimizer = new AdamW(method.store, config.train, task.depth);
    const before = await method.store.values.read();
    const batches = (from: number) => feed.batches(from);
    const steps = train({ task, optimizer, batches, config: { ...config.train, warmupSteps: 0 }, startStep: 0 });
    await expect(steps.next()).rejects.toThrow(
      /^step 1: the loss is NaN; the first tensor that went bad: teacher\.blocks\.1 linearResidual branch\n/,
    );
    expect(await method.store.values.read()).toEqual(before);
    await feed.close();
  });

  it.each(stages)("%s: comes from a learning rate that is far too large, and names what overflowed", async (stage, start) => {
    const config = smallConfig(stage, { train: { learningRate: 1e36, warmupSteps: 0, saveEvery: 1 } });
    const out = fresh();
    const error = await failureOf(start({ config, data, out, device }));
    expect(error).toBeInstanceOf(TrainingError);
    expect(error.message).toMatch(
      /^step 2: the (loss|norm of the gradient) is (NaN|Infinity); the first tensor that went bad: (teacher\.)?blocks\.0 \w+\n/,
    );
    expect((await readTrainerState(path.join(out, "checkpoint"))).step).toBe(1);
  });

  it("is told from memory that only looks bad", async () => {
    using dirty = openDevice();
    const count = 1 << 20;
    dirty.scoped(() => dirty.kernels.fill(dirty.empty([count], "dirt").ptr, count, Number.NaN));
    const config = smallConfig("pretrain", { train: { learningRate: 1e36, warmupSteps: 0 } });
    const inDirt = await failureOf(runPretraining({ config, data, out: fresh(), device: dirty }));
    const clean = await failureOf(runPretraining({ config, data, out: fresh(), device }));
    expect(inDirt.message).toBe(clean.message);
  });
});

describe("the collapse guard", () => {
  const run = (guards: Changes["train"], out = fresh()) =>
    runPretraining({ config: smallConfig("pretrain", { train: { ...guards, saveEvery: 2 } }), data, out, device });

  it.each([
    ["target", { minTargetDeviation: 10 }, "train.minTargetDeviation"],
    ["prediction", { minPredictionDeviation: 10 }, "train.minPredictionDeviation"],
  ])("stops a run whose %s deviation is too small, after guardAfter steps", async (what, guard, key) => {
    const out = fresh();
    const error = await failureOf(run({ ...guard, guardAfter: 3 }, out));
    expect(error).toBeInstanceOf(TrainingError);
    expect(error.message).toMatch(new RegExp(`^step 4: collapse: the ${what} deviation is [\\d.e-]+, below ${key} 10\\n`));
    expect((await metricsOf(out)).map(({ step }) => step)).toEqual([1, 2, 3]);
    expect((await readTrainerState(path.join(out, "checkpoint"))).step).toBe(2);
  });

  it("lets a healthy run pass, and acts not before guardAfter", async () => {
    expect(await run({ minTargetDeviation: 1e-6, minPredictionDeviation: 1e-9, guardAfter: 0 })).toHaveLength(6);
    expect(await run({ minTargetDeviation: 10, guardAfter: 6 })).toHaveLength(6);
  });
});

it("a sample that can't be uploaded ends the run without a trace in the checkpoint", async () => {
  const out = fresh();
  const config: VisionConfig = smallConfig("pretrain", { train: { saveEvery: 1 } });
  const failing: typeof vision = {
    ...vision,
    openPretraining: async (...args) => {
      const feed = await vision.openPretraining(...args);
      async function* batches(from: number) {
        for await (const batch of feed.batches(from)) {
          if (from++ === 3) throw new Error("the cable was cut");
          yield batch;
        }
      }
      return { size: feed.size, batchesPerEpoch: feed.batchesPerEpoch, batches, close: () => feed.close() };
    },
  };
  let saved = {};
  const run = runPretraining({ config, data, out, device, modality: failing }, async () => {
    saved = await filesOf(path.join(out, "checkpoint"));
  });
  await expect(run).rejects.toThrow("the cable was cut");
  expect((await readTrainerState(path.join(out, "checkpoint"))).step).toBe(3);
  expect(await filesOf(path.join(out, "checkpoint"))).toEqual(saved);
});
