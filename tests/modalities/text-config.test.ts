import { describe, expect, it } from "vitest";
import { text } from "../../src/modalities/text/text.js";
import { loadConfig } from "../../src/train/config.js";

const STAGES = ["pretrain", "finetune"] as const;
const SIZES = ["tiny", "small", "base", "large"] as const;

describe("settings of text", () => {
  it.each(STAGES.flatMap((stage) => SIZES.map((size) => [stage, size] as const)))("%s %s is whole", async (stage, size) => {
    expect(await loadConfig(text, stage, { preset: size })).toEqual(text.presets[stage][size]);
  });

  it("fit around a model that is smaller than the preset", async () => {
    const values = { model: { ...text.fixed(text.presets.pretrain.tiny).model, depth: 2, maxPositions: 40 } };
    const config = await loadConfig(text, "finetune", { preset: "base", fixed: { name: "the model", values } });
    expect(config.model).toMatchObject({ depth: 2, averageTopKLayers: 2, vocabSize: 4096 });
    expect(config.data.tokensPerSample).toBe(40);
  });

  it.each([
    [["model.averageTopKLayers=5"], "model.averageTopKLayers: expected at most model.depth (4), got 5"],
    [["model.heads=5"], "model.heads: 5 doesn't divide model.dim (96)"],
    [["model.paddingId=4096"], "model.paddingId: expected an id below model.vocabSize (4096), got 4096"],
    [["model.maskStyle=bert"], "model.maskSpan: expected 1 with model.maskStyle bert, got 4"],
    [["data.tokensPerSample=65"], "data.tokensPerSample: expected at most model.maxPositions (64), got 65"],
    [["data.batchTokens=63"], "data.batchTokens: expected at least data.tokensPerSample (64), got 63"],
  ])("refuse %j", async (set, message) => {
    await expect(loadConfig(text, "pretrain", { preset: "tiny", set })).rejects.toThrow(message);
  });
});
