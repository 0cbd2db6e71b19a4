import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { editDistance, nearest } from "../../src/config/nearest.js";
import { ConfigError, configChanges, configHash, formatConfig } from "../../src/config/resolve.js";
import { configKeys } from "../../src/config/schema.js";
import { resolveSteps } from "../../src/config/train.js";
import { patchCount, visionArchitecture, visionSchema } from "../../src/modalities/vision/config.js";
import { visionPresets } from "../../src/modalities/vision/presets.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { loadConfig } from "../../src/train/config.js";

const folder = { path: "" };
beforeAll(async () => {
  folder.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
});
afterAll(() => rm(folder.path, { recursive: true }));

let counter = 0;
async function yaml(text: string): Promise<string> {
  const file = path.join(folder.path, `recipe${counter++}.yaml`);
  await writeFile(file, text);
  return file;
}

const problem = (options: object) =>
  loadConfig(vision, "pretrain", options).then(
    () => "no error",
    (error) => {
      expect(error).toBeInstanceOf(ConfigError);
      return error.message as string;
    },
  );

describe("presets", () => {
  it.each(["pretrain", "finetune"] as const)("of %s are valid as they are", async (stage) => {
    for (const [preset, config] of Object.entries(visionPresets[stage])) {
      expect(await loadConfig(vision, stage, { preset })).toEqual(config);
    }
  });

  it("base masks 120 of 196 patches", () => {
    const { model } = visionPresets.pretrain.base;
    expect(Math.round(model.maskRatio * patchCount(model))).toBe(120);
  });

  it("base and large see as many images in a step as the published commands", () => {
    const images = (stage: "pretrain" | "finetune", name: "base" | "large") => {
      const { batchSize, accumulate } = visionPresets[stage][name].train;
      return batchSize * accumulate;
    };
    expect([images("pretrain", "base"), images("pretrain", "large"), images("finetune", "base"), images("finetune", "large")]).toEqual([
      2048, 4096, 1024, 1024,
    ]);
  });

  it("an unknown one names the nearest", async () => {
    expect(await problem({ preset: "bas" })).toBe("unknown preset bas; did you mean base?");
    expect(await problem({ preset: "constructor" })).toBe("unknown preset constructor; known are tiny, small, base, large");
  });
});

describe("configuration", () => {
  it("takes the preset, then the file, then --set", async () => {
    const file = await yaml("train:\n  steps: 10\n  batchSize: 8\nmodel:\ndata:\n  mean: [0.1]\n  randAugment: rand-m5\n");
    const config = await loadConfig(vision, "pretrain", { preset: "tiny", file, set: ["train.steps=20", "data.cropScale=[0.2, 0.9]"] });
    expect(config).toEqual({
      ...visionPresets.pretrain.tiny,
      data: { ...visionPresets.pretrain.tiny.data, mean: [0.1], randAugment: "rand-m5", cropScale: [0.2, 0.9] },
      train: { ...visionPresets.pretrain.tiny.train, steps: 20, batchSize: 8 },
    });
  });

  it("reads the values of --set by their type", async () => {
    const set = [
      "model.layerScale=null",
      "model.absolutePositions=false",
      "train.learningRate=1e-3",
      "model.lossScale=sqrtDim",
      "data.randAugment=null",
    ];
    const { model, train, data } = await loadConfig(vision, "pretrain", { preset: "base", set });
    expect([model.layerScale, model.absolutePositions, train.learningRate, model.lossScale, data.randAugment]).toEqual([
      null,
      false,
      1e-3,
      "sqrtDim",
      null,
    ]);
  });

  it("an empty file changes nothing", async () => {
    expect(await loadConfig(vision, "pretrain", { file: await yaml("# nothing\n") })).toEqual(visionPresets.pretrain.tiny);
  });

  it("is printed as YAML that reads back as itself", async () => {
    for (const stage of ["pretrain", "finetune"] as const) {
      for (const config of Object.values(visionPresets[stage])) {
        expect(await loadConfig(vision, stage, { preset: "tiny", file: await yaml(formatConfig(config)) })).toEqual(config);
      }
    }
  });

  it("describes every key and its range", () => {
    const keys = [...configKeys(visionSchema).values()];
    expect(keys.length).toBeGreaterThan(60);
    for (const { key, accepts, description } of keys) {
      expect(description, key).toMatch(/^[A-Za-z].{15,}\.$/s);
      expect(accepts, key).not.toMatch(/undefined|null,|a text$/);
    }
    expect(configKeys(visionSchema).get("train.batchSize")!.accepts).toBe("an integer from 1 to 65536");
    expect(configKeys(visionSchema).get("model.layerScale")!.accepts).toBe("a number above 0 to 10, or null");
  });
});

describe("a wrong configuration", () => {
  it.each([
    ["train.lr=1", "--set train.lr=1: unknown key train.lr; did you mean train.learningRate?"],
    ["batch_size=1", "--set batch_size=1: unknown key batch_size; did you mean train.batchSize?"],
    ["model.batchSize=1", "--set model.batchSize=1: unknown key model.batchSize; did you mean train.batchSize?"],
    ["train.stpes=1", "--set train.stpes=1: unknown key train.stpes; did you mean train.steps?"],
    ["__proto__.polluted=1", /unknown key __proto__\.polluted; known are model\.imageSize/],
    ["data.quantum=1", /unknown key data\.quantum; known are data\.cropScale, .*data\.workers$/],
    ["train.batchSize=0", "--set train.batchSize=0: train.batchSize: expected an integer from 1 to 65536, got 0"],
    ["train.batchSize=2.5", "--set train.batchSize=2.5: train.batchSize: expected an integer from 1 to 65536, got 2.5"],
    ["train.learningRate=fast", '--set train.learningRate=fast: train.learningRate: expected a number above 0 to 10, got "fast"'],
    ["train.learningRate=.nan", /train\.learningRate: expected a number above 0 to 10, got NaN/],
    ["train.schedule=step", '--set train.schedule=step: train.schedule: expected "cosine", "linear", "triStage" or "constant", got "step"'],
    ["model.lossScale=0", '--set model.lossScale=0: model.lossScale: expected "mean" or "sqrtDim", or a number above 0 to 1000000, got 0'],
    [
      "data.cropScale=[0,1]",
      "--set data.cropScale=[0,1]: data.cropScale: expected a list of 2 numbers [above 0 to 1, above 0 to 1], got [0,1]",
    ],
    ["data.cropScale=[1,0.5]", "--set data.cropScale=[1,0.5]: data.cropScale: expected [smallest, largest], got [1,0.5]"],
    ["data.mean=[1,2]", "--set data.mean=[1,2]: data.mean: expected 1 or model.channels (1) numbers, got 2"],
    [
      "data.randAugment=auto",
      '--set data.randAugment=auto: data.randAugment: expected a text such as "rand-m9-mstd0.5-inc1", or null, got "auto"',
    ],
    ["model.heads=5", "--set model.heads=5: model.heads: 5 doesn't divide model.dim (96)"],
    ["model.patchSize=5", "--set model.patchSize=5: model.patchSize: 5 doesn't divide model.imageSize (28)"],
    ["model.averageTopKLayers=5", "--set model.averageTopKLayers=5: model.averageTopKLayers: expected at most model.depth (4), got 5"],
    ["train.warmupSteps=1.5", /expected a whole number of steps, or a fraction of the run below 1/],
    ["train.warmupSteps=4000", "--set train.warmupSteps=4000: train.warmupSteps: expected at most train.steps (3000), got 4000"],
    ["train.minLearningRate=1", "--set train.minLearningRate=1: train.minLearningRate: expected at most train.learningRate (0.004), got 1"],
    ["train=3", "--set train=3: unknown key train; known are"],
    ["train.steps", "--set train.steps: expected KEY=VALUE, such as train.batchSize=32"],
    ["train.steps=", '--set train.steps=: there is no value after "="; write null for none'],
    ["train.steps=[1", '--set train.steps=[1: "[1" is neither a number, a word nor a list such as [0.5, 1]'],
  ])("--set %s says what is wrong", async (setting, message) => {
    const text = await problem({ preset: "tiny", set: [setting] });
    if (typeof message === "string") expect(text.startsWith(message), text).toBe(true);
    else expect(text).toMatch(message);
  });

  it("in YAML names line and column, and every mistake at once", async () => {
    const file = await yaml("train:\n  steps: 0\n  bachSize: 3\nmodel:\n  heads: many\n");
    expect(await problem({ file })).toBe(
      [
        `${file}:3:3: unknown key train.bachSize; did you mean train.batchSize?`,
        `${file}:5:3: model.heads: expected an integer from 1 to 1024, got "many"`,
        `${file}:2:3: train.steps: expected an integer from 1 to 1000000000, got 0`,
      ].join("\n"),
    );
  });

  it.each([
    ["a: [1", /recipe\d+\.yaml:\d+:\d+: Flow sequence/],
    ["train:\n  steps: 1\n  steps: 2\n", /recipe\d+\.yaml:3:3: Map keys must be unique/],
    ["- 1\n", /expected sections with keys/],
    ["train: 5\n", /recipe\d+\.yaml:1:1: train: expected a section with keys under it/],
    ["train:\n  steps: &a [*a]\n", /recipe\d+\.yaml:2:3: .*circular/],
  ])("in YAML %j is refused", async (text, message) => {
    expect(await problem({ file: await yaml(text) })).toMatch(message);
  });

  it("a missing file is named", async () => {
    expect(await problem({ file: "no/such.yaml" })).toBe("no/such.yaml: can't be read: no such file");
  });

  it("can't change what a trained model fixes", async () => {
    const fixed = {
      name: "the model in runs/a",
      values: { model: visionArchitecture({ ...visionPresets.pretrain.tiny.model, depth: 6 }) },
    };
    const config = await loadConfig(vision, "finetune", { fixed, set: ["model.depth=6", "model.dropPath=0.1"] });
    expect([config.model.depth, config.model.dropPath]).toEqual([6, 0.1]);
    await expect(loadConfig(vision, "finetune", { fixed, set: ["model.depth=8"] })).rejects.toThrow(
      "--set model.depth=8: model.depth is 6 in the model in runs/a and can't be changed to 8",
    );
  });
});

describe("helpers", () => {
  it("the hash depends on values, not on the order of keys", () => {
    expect(configHash({ a: 1, b: { c: [1, 2], d: null } })).toBe(configHash({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(configHash({ a: 1 })).not.toBe(configHash({ a: 2 }));
    expect(configHash({ a: [1, 2] })).not.toBe(configHash({ a: [2, 1] }));
  });

  it("names the keys that changed", () => {
    const before = visionPresets.pretrain.tiny;
    const after = { ...before, train: { ...before.train, steps: 5 } };
    expect(configChanges(before, after)).toEqual(["train.steps: 5, was 3000"]);
    expect(configChanges(before, structuredClone(before))).toEqual([]);
  });

  it("counts steps and fractions of the run", () => {
    expect([resolveSteps(0.05, 3000), resolveSteps(0, 10), resolveSteps(1, 10), resolveSteps(7, 10)]).toEqual([150, 0, 1, 7]);
  });

  it("the edit distance is a metric", () => {
    expect(editDistance("kitten", "sitting")).toBe(3);
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });

  it("finds nothing where nothing is near", () => {
    expect(nearest("zzzzzz", ["alpha", "beta"])).toBeUndefined();
    expect(nearest("--learning-rate", ["--learningRate", "--steps"])).toBe("--learningRate");
  });
});
