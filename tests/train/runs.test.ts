/** What a run refuses, and what it leaves behind when it can't go on: other configurations and data, a taken folder, a full disk. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/checkpoint/error.js";
import { readTrainerState } from "../../src/checkpoint/trainer-state.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { loadModel } from "../../src/tasks/load-model.js";
import { loadConfig } from "../../src/train/config.js";
import { LockedError } from "../../src/train/lock.js";
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
  writeImageFolder,
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

/** A pretraining run that was stopped after two of its six steps. */
async function stopped(): Promise<string> {
  const template = path.join(root, "stopped");
  if (!existsSync(template)) {
    const controller = new AbortController();
    const options = { config: smallConfig("pretrain"), data, out: template, device, signal: controller.signal };
    await runPretraining(options, ({ step }) => step === 2 && controller.abort());
  }
  const out = fresh();
  await cp(template, out, { recursive: true });
  return out;
}

/** What a pretraining run gives that isn't stopped. */
async function whole() {
  const out = path.join(root, "whole");
  if (!existsSync(out)) await runPretraining({ config: smallConfig("pretrain"), data, out, device });
  return resultOf(out);
}

describe("a folder", () => {
  it("takes one run at a time", async () => {
    const out = fresh();
    const config = smallConfig("pretrain");
    let refused: unknown;
    await runPretraining({ config, data, out, device }, async ({ step }) => {
      if (step !== 2) return;
      for (const resume of [false, true]) {
        refused = await runPretraining({ config, data, out, device, resume }).catch((error) => error);
        expect(refused).toBeInstanceOf(LockedError);
      }
    });
    expect((refused as Error).message).toMatch(/process \d+ has been writing to this folder since/);
    expect(await resultOf(out)).toEqual(await whole());
  });

  it("with a run takes no new one, and changes nothing then", async () => {
    const out = await stopped();
    const before = await resultOf(out);
    const again = runPretraining({ config: smallConfig("pretrain"), data, out, device });
    await expect(again).rejects.toThrow(/there is a run in this folder already\ncontinue it with --resume/);
    expect(await resultOf(out)).toEqual(before);
  });

  it("without a run has nothing to resume", async () => {
    const out = fresh();
    await expect(runPretraining({ config: smallConfig("pretrain"), data, out, device, resume: true })).rejects.toThrow(/nothing to resume/);
    await expect(readdir(out)).rejects.toThrow();
  });

  it("holds the whole configuration, which reads back as it was", async () => {
    const out = await stopped();
    const config = await loadConfig(vision, "pretrain", { file: path.join(out, "config.yaml") });
    expect(config).toEqual(smallConfig("pretrain"));
    expect((await readTrainerState(path.join(out, "checkpoint"))).config).toEqual(config);
  });

  it("stays free after a mistake that came before the first step", async () => {
    const out = fresh();
    const config = smallConfig("pretrain");
    await expect(runPretraining({ config, data: path.join(root, "nowhere"), out, device })).rejects.toThrow(/no such folder/);
    const tooDeep = smallConfig("pretrain", { model: { averageTopKLayers: 3 } });
    await expect(runPretraining({ config: tooDeep, data, out, device })).rejects.toThrow(
      /averageTopKLayers is 3, but the model has 2 layers/,
    );
    expect(await runPretraining({ config, data, out, device })).toHaveLength(6);
  });
});

describe("--resume", () => {
  it.each<[string, Changes]>([
    ["train.learningRate: 0.002, was 0.001", { train: { learningRate: 0.002 } }],
    ["train.steps: 7, was 6", { train: { steps: 7 } }],
    ["train.seed: 1, was 0", { train: { seed: 1 } }],
    ["model.dropPath: 0, was 0.3", { model: { dropPath: 0 } }],
    ["data.flip: 0, was 0.5", { data: { flip: 0 } }],
  ])("refuses another configuration: %s", async (difference, changes) => {
    const out = await stopped();
    const before = await resultOf(out);
    const error = await runPretraining({ config: smallConfig("pretrain", changes), data, out, device, resume: true }).catch((e) => e);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(`the run can't go on with another configuration: ${difference}\n`);
    expect(await resultOf(out)).toEqual(before);
  });

  it("accepts what doesn't touch the result: saveEvery, logEvery, workers", async () => {
    const out = await stopped();
    const config = smallConfig("pretrain", { data: { workers: 1 }, train: { saveEvery: 2, logEvery: 3 } });
    const saves: number[] = [];
    await runPretraining({ config, data, out, device, resume: true }, async ({ step }) => {
      if ((await readTrainerState(path.join(out, "checkpoint"))).step === step) saves.push(step);
    });
    expect(saves).toEqual([4, 6]);
    expect((await metricsOf(out)).map(({ step }) => step)).toEqual([1, 2, 3, 6]);
    const ours = await filesOf(path.join(out, "checkpoint"));
    const theirs = (await whole()).checkpoint;
    for (const file of ["model", "teacher", "head", "optimizer"]) {
      expect(ours[`${file}.safetensors`], file).toBe(theirs[`${file}.safetensors`]);
    }
  });

  it("refuses other data", async () => {
    const out = await stopped();
    const larger = await writeIdx(path.join(root, "larger"), { train: 40 });
    await expect(runPretraining({ config: smallConfig("pretrain"), data: larger, out, device, resume: true })).rejects.toThrow(
      /the run can't go on with other data: samples: 40, was 32\n/,
    );
  });

  it("refuses other labels or another hold-out", async () => {
    const out = fresh();
    const options = { config: smallConfig("finetune"), data, out, device };
    const controller = new AbortController();
    await runFinetuning({ ...options, labels: 16, signal: controller.signal }, () => controller.abort());
    await expect(runFinetuning({ ...options, resume: true })).rejects.toThrow(/samples: 32, was 16; labels: null, was 16/);
    await expect(runFinetuning({ ...options, resume: true, labels: 20 })).rejects.toThrow(/samples: 20, was 16; labels: 20, was 16/);
    await expect(runFinetuning({ ...options, resume: true, labels: 16, holdOut: 0.25 })).rejects.toThrow(/holdOut: 0.25, was null/);
    expect(await runFinetuning({ ...options, resume: true, labels: 16 })).toHaveLength(5);
  });

  it.each<[string, string, (file: string) => Promise<void>, RegExp]>([
    [
      "a truncated optimizer",
      "optimizer.safetensors",
      async (file) => writeFile(file, (await readFile(file)).subarray(0, -9)),
      /optimizer.safetensors: /,
    ],
    ["no teacher", "teacher.safetensors", (file) => rm(file), /teacher.safetensors: no such file/],
    ["no model", "model.safetensors", (file) => rm(file), /model.safetensors/],
    ["a broken trainer.json", "trainer.json", (file) => writeFile(file, "{"), /trainer.json: not JSON/],
  ])("refuses %s, naming it", async (_, name, damage, message) => {
    const out = await stopped();
    await damage(path.join(out, "checkpoint", name));
    const before = await filesOf(path.join(out, "checkpoint"));
    const error = await runPretraining({ config: smallConfig("pretrain"), data, out, device, resume: true }).catch((e) => e);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(message);
    expect(await filesOf(path.join(out, "checkpoint"))).toEqual(before);
  });
});

/** Vision whose models stop fitting on the disk: the second and later writes fail in the middle. */
function fillingDisk(): typeof vision {
  let saves = 0;
  return {
    ...vision,
    saveModel: async (...args) => {
      await vision.saveModel(...args);
      if (++saves > 1) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    },
  };
}

describe("a full disk", () => {
  it.each([
    ["pretrain", runPretraining],
    ["finetune", runFinetuning],
  ] as const)("leaves the checkpoint of %s as it was, and the run can go on later", async (stage, start) => {
    const out = fresh();
    const config = smallConfig(stage, { train: { saveEvery: 2 } });
    let saved = {};
    const run = start({ config, data, out, device, modality: fillingDisk() }, async ({ step }) => {
      if (step === 2) saved = await filesOf(path.join(out, "checkpoint"));
    });
    const error = await run.catch((reason) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/checkpoint: the disk is full\nthe previous checkpoint takes [\d.]+ KiB; [\d.]+ \w+ are free\n/);
    expect(error.message).toMatch(/the checkpoint that was there before is unchanged: /);
    expect((await readdir(out)).sort()).toEqual(["checkpoint", "config.yaml", "metrics.jsonl", "run.json"]);
    expect(await filesOf(path.join(out, "checkpoint"))).toEqual(saved);

    const { model } = await loadModel(device, vision, out);
    model.release();
    await start({ config, data, out, device, resume: true });
    const whole = fresh();
    await start({ config, data, out: whole, device });
    expect(await resultOf(out)).toEqual(await resultOf(whole));
  });

  it("that is real: a file system of 1 MiB", async ({ skip }) => {
    const mount = fresh();
    await mkdir(mount);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], { stdio: "ignore" });
    } catch {
      skip("file systems can't be mounted here");
    }
    try {
      const out = path.join(mount, "run");
      const config = smallConfig("pretrain", { model: { dim: 32 }, train: { saveEvery: 1 } });
      let step = 0;
      const error = await runPretraining({ config, data, out, device }, async (report) => {
        step = report.step;
        // One checkpoint fits, the next one beside it doesn't.
        const free = Number(execFileSync("df", ["--output=avail", "-B1", mount]).toString().split("\n")[1]);
        await writeFile(path.join(mount, "ballast"), Buffer.alloc(Math.max(0, free - 100_000)));
      }).catch((reason) => reason);
      expect(step).toBe(1);
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toMatch(/the disk is full/);
      expect((await readTrainerState(path.join(out, "checkpoint"))).step).toBe(1);
      await rm(path.join(mount, "ballast"));
      expect(await runPretraining({ config, data, out, device, resume: true })).toHaveLength(5);
    } finally {
      execFileSync("umount", [mount]);
    }
  });
});

describe("training data", () => {
  const run = (folder: string, changes: Changes = {}) =>
    runPretraining({ config: smallConfig("pretrain", changes), data: folder, out: fresh(), device });

  it("that aren't there or are empty are refused with what is accepted", async () => {
    await expect(run(path.join(root, "nothing"))).rejects.toThrow(/nothing: no such folder\naccepted layouts: /);
    const empty = path.join(root, "empty");
    await mkdir(empty);
    await expect(run(empty)).rejects.toThrow(/empty: .*\naccepted layouts: /);
    await expect(run(path.join(data, "train-images-idx3-ubyte"))).rejects.toThrow(/is a file, but a folder is needed/);
    await expect(run(data, { train: { batchSize: 33 } })).rejects.toThrow(
      /fewer images than a batch of 33\nset train.batchSize to at most 32/,
    );
  });

  it("with an unreadable image are used without it, which skipped.jsonl says once, also after a resume", async () => {
    const folder = await writeImageFolder(path.join(root, "images"), 16);
    await writeFile(path.join(folder, "class2", "2.png"), "no image");
    const config = smallConfig("pretrain", { train: { steps: 8 } });
    const whole = fresh();
    await runPretraining({ config, data: folder, out: whole, device });
    const lines = (await readFile(path.join(whole, "skipped.jsonl"), "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).name)).toEqual([path.join("class2", "2.png")]);

    const out = fresh();
    const controller = new AbortController();
    await runPretraining({ config, data: folder, out, device, signal: controller.signal }, ({ step }) => step === 4 && controller.abort());
    await runPretraining({ config, data: folder, out, device, resume: true });
    expect(await readFile(path.join(out, "skipped.jsonl"), "utf8")).toBe(lines.join("\n") + "\n");
    expect(await resultOf(out)).toEqual(await resultOf(whole));
  });
});
