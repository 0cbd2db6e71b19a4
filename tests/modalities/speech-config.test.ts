import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/config/resolve.js";
import { configKeys } from "../../src/config/schema.js";
import { SAMPLE_RATE, speechSchema } from "../../src/modalities/speech/config.js";
import type { SpeechEncoder } from "../../src/modalities/speech/encoder.js";
import { frameCount } from "../../src/modalities/speech/frames.js";
import { speechPresets } from "../../src/modalities/speech/presets.js";
import { speech } from "../../src/modalities/speech/speech.js";
import { loadConfig } from "../../src/train/config.js";

const problem = (set: string[], stage: "pretrain" | "finetune" = "pretrain") =>
  loadConfig(speech, stage, { set }).then(
    () => "no error",
    (error) => {
      expect(error).toBeInstanceOf(ConfigError);
      return error.message as string;
    },
  );

describe("presets of speech", () => {
  it.each(["pretrain", "finetune"] as const)("of %s are valid as they are", async (stage) => {
    for (const [preset, config] of Object.entries(speechPresets[stage])) {
      expect(await loadConfig(speech, stage, { preset })).toEqual(config);
    }
  });

  it("have the sizes of the published models, and a tiny one for demonstrations", () => {
    const count = (name: "tiny" | "base" | "large") =>
      (speech.createEncoder(speechPresets.pretrain[name], "student") as SpeechEncoder).parameterCount;
    expect([count("base"), count("large")]).toEqual([93_164_288, 313_276_416]);
    expect(count("tiny")).toBeGreaterThan(4e5);
    expect(count("tiny")).toBeLessThan(1e6);
  });

  it("hear as many seconds in a step as the published commands", () => {
    const samples = (stage: "pretrain" | "finetune", name: "base" | "large") => {
      const { data, train } = speechPresets[stage][name];
      return data.batchSeconds * SAMPLE_RATE * train.accumulate;
    };
    expect([samples("pretrain", "base"), samples("finetune", "base"), samples("finetune", "large")]).toEqual([60.8e6, 25.6e6, 25.6e6]);
  });

  it("make 50 frames a second", () => {
    expect(speech.positionSeconds!(speechPresets.finetune.base)).toBe(0.02);
    expect(frameCount(16_000, speechPresets.pretrain.tiny.model)).toBe(49);
  });
});

describe("settings of speech", () => {
  it("all say what they are and accept", () => {
    const keys = configKeys(speechSchema);
    expect(keys.get("model.convDims")?.accepts).toBe("a list of 1 to 16 numbers, each from 1 to 16384");
    for (const { key, accepts, description } of keys.values()) {
      expect(description, key).toMatch(/^[A-Zt].*\.$/);
      expect(accepts, key).not.toMatch(/undefined|^a text$/);
    }
  });

  it("give a list by a setting", async () => {
    const set = ["model.convDims=[32, 32]", "model.convKernels=[10, 8]", "model.convStrides=[5, 4]"];
    expect((await loadConfig(speech, "pretrain", { set })).model.convStrides).toEqual([5, 4]);
  });

  it.each([
    [["model.convDims=[32, 32]"], "model.convKernels: expected 2 numbers as in model.convDims, got 7"],
    [["model.convDims=[32, x]"], "--set model.convDims=[32, x]: model.convDims: expected a list of 1 to 16 numbers, each from 1 to 16384"],
    [["model.posConvKernel=4"], "--set model.posConvKernel=4: model.posConvKernel: expected an odd number, got 4"],
    [["model.posConvGroups=7"], "--set model.posConvGroups=7: model.posConvGroups: 7 doesn't divide model.dim (96)"],
    [["model.heads=5"], "--set model.heads=5: model.heads: 5 doesn't divide model.dim (96)"],
    [["model.averageTopKLayers=9"], "expected at most model.depth (4), got 9"],
    [["data.minSeconds=4"], "--set data.minSeconds=4: data.minSeconds: expected at most data.maxSeconds (3), got 4"],
    [["data.batchSeconds=1"], "--set data.batchSeconds=1: data.batchSeconds: expected at least data.maxSeconds (3), got 1"],
    [["data.maxSeconds=0.04", "data.minSeconds=0"], "data.maxSeconds: expected two frames or more (400 samples make one), got 640 samples"],
    [["data.vocabulary=published", "data.letterCase=lower"], "data.letterCase: expected upper with data.vocabulary published, got lower"],
    [["model.featureGradScale=0"], "train.weightDecay: expected 0 with model.featureGradScale 0, got 0.01: it would shrink convolutions"],
  ])("%j are refused", async (set, message) => {
    expect(await problem(set)).toContain(message);
  });

  it("around a trained model are those that fit it", async () => {
    const { model } = speechPresets.pretrain.tiny;
    const trained = {
      ...speechPresets.pretrain.base,
      model: { ...model, depth: 2, averageTopKLayers: 2 },
      data: { ...speechPresets.pretrain.base.data, normalize: false },
    };
    const fixed = { name: "the model in runs/a", values: speech.fixed(trained) };
    const config = await loadConfig(speech, "finetune", { fixed });
    expect(config.model).toMatchObject({ dim: 96, depth: 2, averageTopKLayers: 2 });
    expect(config.data.normalize).toBe(false);
    await expect(loadConfig(speech, "finetune", { fixed, set: ["data.normalize=true"] })).rejects.toThrow(/can't be changed to true/);
  });
});
