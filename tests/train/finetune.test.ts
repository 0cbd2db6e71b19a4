/** Fine-tuning: where it starts from, what it is judged by, what it keeps, and when it stops. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/checkpoint/error.js";
import { toFloat32 } from "../../src/checkpoint/safetensors.js";
import { readTrainerState } from "../../src/checkpoint/trainer-state.js";
import type { VisionModelConfig } from "../../src/modalities/vision/config.js";
import { readVisionModel } from "../../src/modalities/vision/huggingface.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { evaluate } from "../../src/tasks/evaluate.js";
import { loadModel } from "../../src/tasks/load-model.js";
import { taskKind } from "../../src/tasks/task-kinds.js";
import {
  CLASSES,
  filesOf,
  metricsOf,
  openDevice,
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
let pretrained: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"));
  pretrained = path.join(root, "pretrained");
  await runPretraining({ config: smallConfig("pretrain"), data, out: pretrained, device });
});

let counter = 0;
const fresh = () => path.join(root, `run${counter++}`);
/** A learning rate that lets the bars be learned in a few steps, without what slows that down. */
const quick = {
  model: { dropPath: 0, attentionDropout: 0, dropout: 0 },
  data: { mixup: 0, cutmix: 0, erasing: 0, flip: 0, cropScale: [1, 1] as [number, number] },
};
const eager = { steps: 40, batchSize: 8, learningRate: 0.01 };

describe("a fine-tuning run", () => {
  it("evaluates every so many steps and at the end, and keeps the best model", async () => {
    const out = fresh();
    const config = smallConfig("finetune", { ...quick, train: { ...eager, evaluateEvery: 4, saveEvery: 4, keepBest: true } });
    const models = new Map<number, string>();
    const reports = await runFinetuning({ config, data, out, device }, async ({ step }) => {
      if (step % 4 === 0) models.set(step, (await filesOf(path.join(out, "checkpoint")))["model.safetensors"]);
    });
    const judged = reports.filter(({ evaluation }) => evaluation !== null);
    expect(judged.map(({ step }) => step)).toEqual(Array.from({ length: 10 }, (_, i) => 4 * (i + 1)));
    const accuracies = judged.map(({ evaluation }) => evaluation!.metrics.accuracy);
    const best = Math.max(...accuracies);
    expect(best).toBeGreaterThan(0.9);
    expect(accuracies[0]).toBeLessThan(best);
    const first = judged[accuracies.indexOf(best)];
    expect((await readTrainerState(path.join(out, "checkpoint"))).best).toEqual({ value: best, step: first.step });
    expect((await filesOf(path.join(out, "best")))["model.safetensors"]).toBe(models.get(first.step));

    const lines = (await metricsOf(out)).filter((line) => "evaluationAccuracy" in line);
    expect(lines).toEqual(
      judged.map(({ step, evaluation }) => ({ step, evaluationAccuracy: evaluation!.metrics.accuracy, evaluationLoss: evaluation!.loss })),
    );

    // The run folder stands for its best model, which gives the accuracy that was reported.
    const { model, outputs, folder } = await loadModel(device, vision, out);
    expect(folder).toBe(path.join(out, "best"));
    const { evaluation: feed } = await vision.openLabelled(data, config, { task: "classify", outputs: outputs!, onSkip: () => {} });
    const again = await evaluate(model, feed!, { kind: taskKind("classify", outputs!), metrics: null });
    expect(again).toEqual(first.evaluation);
    expect(again.expected.every((label, i) => label === i % CLASSES)).toBe(true);
    const correct = again.predicted.filter((label, i) => label === again.expected[i]).length;
    expect(again.metrics.accuracy).toBe(correct / 16);
    await feed!.close();
    model.release();
  });

  it("stops when it is out of patience, for good", async () => {
    const out = fresh();
    const config = smallConfig("finetune", { train: { ...eager, learningRate: 1e-9, evaluateEvery: 2, patience: 3 } });
    const reports = await runFinetuning({ config, data, out, device });
    // The first evaluation is the best; three more are no better.
    expect(reports.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await readTrainerState(path.join(out, "checkpoint"))).toMatchObject({ step: 8, best: { step: 2 }, evaluationsSinceBest: 3 });
    expect(await runFinetuning({ config, data, out, device, resume: true })).toEqual([]);
  });

  it("keeps no best model and does no evaluation but the last unless asked", async () => {
    const out = fresh();
    const reports = await runFinetuning({ config: smallConfig("finetune"), data, out, device });
    expect(reports.map(({ evaluation }) => evaluation !== null)).toEqual([false, false, false, false, false, true]);
    await expect(filesOf(path.join(out, "best"))).rejects.toThrow();
  });

  it("trains on as many labels as asked for, the same of each class", async () => {
    const names = new Set<string>();
    const spy: typeof vision = {
      ...vision,
      openLabelled: async (...args) => {
        const opened = await vision.openLabelled(...args);
        async function* batches(from: number) {
          for await (const batch of opened.train.batches(from)) {
            for (const name of batch.names) names.add(name);
            yield batch;
          }
        }
        const { size, batchesPerEpoch } = opened.train;
        return { ...opened, train: { size, batchesPerEpoch, batches, close: () => opened.train.close() } };
      },
    };
    const config = smallConfig("finetune", { train: { steps: 8 } });
    await runFinetuning({ config, data, out: fresh(), device, labels: 8, modality: spy });
    expect(names.size).toBe(8);
    const perClass = Array.from(
      { length: CLASSES },
      (_, label) => [...names].filter((name) => Number(name.slice(6)) % CLASSES === label).length,
    );
    expect(perClass).toEqual([2, 2, 2, 2]);
  });

  it("is judged by what was held out of its training data", async () => {
    const bare = await writeIdx(path.join(root, "no test split"), { test: 0 });
    const options = { config: smallConfig("finetune"), data: bare, device };
    const judged = (await runFinetuning({ ...options, out: fresh(), holdOut: 0.25 })).at(-1)!.evaluation!;
    expect(judged.samples).toBe(8);
    expect([...judged.expected].sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect((await runFinetuning({ ...options, out: fresh() })).at(-1)!.evaluation).toBeNull();
    await expect(runFinetuning({ ...options, out: fresh(), holdOut: 1 })).rejects.toThrow(/holdOut: fraction/);
    await expect(runFinetuning({ ...options, out: fresh(), labels: 64 })).rejects.toThrow(
      /class \d has 8 samples, but 64 in all need 16 of it/,
    );
  });

  it("needs labels to train with and to be judged by", async () => {
    const bare = await writeIdx(path.join(root, "no labels"), { labels: false });
    await expect(runFinetuning({ config: smallConfig("finetune"), data: bare, out: fresh(), device })).rejects.toThrow(/has no labels/);
    await writeIdx(bare, { test: 0 });
    await expect(runFinetuning({ config: smallConfig("finetune"), data: bare, out: fresh(), device })).rejects.toThrow(
      /IDX test.*has no labels/,
    );
  });
});

/** Parameters of a model after one step with a learning rate of 0. */
async function startingPoint(model: string, changes: Partial<VisionModelConfig>, source = data) {
  const out = fresh();
  const config = smallConfig("finetune", { model: changes, train: { steps: 1, warmupSteps: 1 } });
  await runFinetuning({ config, data: source, out, device, model });
  return readVisionModel(path.join(out, "checkpoint"));
}

describe("a fine-tuning run starts from", () => {
  it("the student of a pretraining run", async () => {
    const { parameters: student } = await readVisionModel(path.join(pretrained, "checkpoint"));
    const { parameters, model } = await startingPoint(pretrained, {});
    expect(model.labels).toEqual(["0", "1", "2", "3"]);
    const fresh = [...parameters.keys()].filter((name) => !student.has(name));
    expect(fresh.sort()).toEqual(["classifier.bias", "classifier.weight", "pooler.norm.bias", "pooler.norm.weight"]);
    const dropped = [...student.keys()].filter((name) => !parameters.has(name));
    expect(dropped.sort()).toEqual(["norm.bias", "norm.weight"]);
    // Nothing is masked any more, so the folder has no mask token, which reads as zero.
    expect(toFloat32(parameters.get("maskToken")!)).toEqual(new Float32Array(16));
    for (const [name, tensor] of student) if (![...dropped, "maskToken"].includes(name)) expect(parameters.get(name), name).toEqual(tensor);
    expect(toFloat32(parameters.get("pooler.norm.weight")!)).toEqual(new Float32Array(16).fill(1));
  });

  it.each(["hf_vision_model_shared", "hf_vision_model_abspos", "hf_vision_imgcls_single"])("a Hugging Face folder: %s", async (name) => {
    const folder = new URL(`../golden/${name}`, import.meta.url).pathname;
    const theirs = await vision.loadModel(folder);
    const { parameters } = await startingPoint(folder, theirs.config.model);
    const kept = [...theirs.parameters].filter(([name]) => !/^(classifier|pooler|norm|maskToken)/.test(name));
    expect(kept.length).toBeGreaterThan(20);
    for (const [name, tensor] of kept) expect(parameters.get(name), name).toEqual(tensor);
    // Its classifier is for other classes.
    expect(parameters.get("classifier.weight")!.shape).toEqual([CLASSES, theirs.config.model.dim]);
  });

  it.each<[string, Partial<VisionModelConfig>]>([
    ["dim: 32, was 16", { dim: 32 }],
    ["depth: 1, was 2", { depth: 1 }],
    ["heads: 4, was 2", { heads: 4 }],
    ["mlpRatio: 4, was 2", { mlpRatio: 4 }],
    ["patchSize: 4, was 2", { patchSize: 4 }],
    ["absolutePositions: false, was true", { absolutePositions: false }],
    ["layerScale: false, was true", { layerScale: null }],
    ["layerNormEps: 0.00001, was 0.000001", { layerNormEps: 1e-5 }],
  ])("no model of another architecture: %s", async (difference, changes) => {
    const error = await startingPoint(pretrained, changes).catch((reason) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/^the configuration is of another architecture than the model in .*checkpoint: model\.\w+: /);
    expect(error.message.replace("1e-5", "0.00001").replace("1e-6", "0.000001")).toContain(`model.${difference}`);
  });

  it("no folder without a model, and leaves no run behind then", async () => {
    const out = fresh();
    const missing = path.join(root, "nowhere");
    await expect(runFinetuning({ config: smallConfig("finetune"), data, out, device, model: missing })).rejects.toThrow(
      /nowhere: no such folder/,
    );
    await expect(runFinetuning({ config: smallConfig("finetune"), data, out, device, model: data })).rejects.toThrow(
      /no model: config.json and model.safetensors missing/,
    );
    await runFinetuning({ config: smallConfig("finetune"), data, out, device });
  });
});

it("writes float fields of config.json as Python's floats", async () => {
  const text = await readFile(path.join(pretrained, "checkpoint", "config.json"), "utf8");
  expect(JSON.parse(text).layer_scale_init_value).toBe(1);
  expect(text).toContain('"layer_scale_init_value": 1.0,\n');
  expect(text).toContain('"hidden_size": 16,\n');
});
