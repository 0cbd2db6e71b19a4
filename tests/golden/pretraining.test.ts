import { describe, it } from "vitest";
import { toFloat32 } from "../../src/checkpoint/safetensors.js";
import { Data2VecPretraining } from "../../src/data2vec/pretraining.js";
import { VisionEncoder } from "../../src/modalities/vision/encoder.js";
import { Linear } from "../../src/nn/linear.js";
import { devices } from "../devices.js";
import { fromBeit } from "./beit-names.js";
import { goldenCase } from "./golden.js";
import { expectUpdate } from "./update.js";

const RECIPES = {
  d2v1_beit_base: {
    relativePositionBias: "shared",
    averageTopKLayers: 2,
    targetLayer: "block",
    targetNormalization: "none",
    finalTargetNormalization: "layer",
    lossBeta: 2,
    lossScale: 1 / 24,
  },
  d2v1_beit_alt: {
    relativePositionBias: "perBlock",
    averageTopKLayers: 3,
    targetLayer: "ffn",
    targetNormalization: "layer",
    finalTargetNormalization: "none",
    lossBeta: 0,
    lossScale: 0.3 / 24,
  },
} as const;

describe.each(devices)("one data2vec update on $name", ({ open }) => {
  it.each(Object.keys(RECIPES) as (keyof typeof RECIPES)[])("%s", async (name) => {
    const golden = await goldenCase(name);
    using device = open();
    const encoder = () =>
      new VisionEncoder({
        imageSize: 32,
        patchSize: 8,
        channels: 3,
        dim: 24,
        depth: 3,
        heads: 4,
        ffnDim: 48,
        layerNormEps: 1e-6,
        layerScale: 1e-4,
        dropPath: 0,
        attentionDropout: 0,
        dropout: 0,
        relativePositionBias: RECIPES[name].relativePositionBias,
        absolutePositions: false,
        maskToken: true,
        finalNorm: true,
        initStd: 0.02,
        initClip: 1,
      });
    const task = new Data2VecPretraining(device, encoder, (dim) => new Linear(dim, dim, { kind: "constant", value: 0 }), RECIPES[name]);

    const mask = Int32Array.from(golden.io.get("input.mask")!.data as BigInt64Array, Number);
    const rows = [...mask.keys()].filter((i) => mask[i] === 1).map((i) => Math.floor(i / 16) * 17 + 1 + (i % 16));
    await expectUpdate({
      golden,
      task,
      student: fromBeit,
      teacher: fromBeit,
      batch: () => {
        const input = device.from(toFloat32(golden.io.get("input.img")!), [2, 3, 32, 32]);
        return {
          input,
          masked: input,
          mask: device.fromIndices(mask, [2, 16]),
          maskedRows: device.fromIndices(Int32Array.from(rows), [rows.length]),
        };
      },
      rows,
      outputs: { target: "output.target", prediction: "output.pred", loss: "output.loss_total" },
      factor: 1,
      featureRows: [0, 1].flatMap((image) => Array.from({ length: 16 }, (_, patch) => image * 17 + 1 + patch)),
      optimizer: { beta1: 0.9, beta2: 0.999 },
    });
  });
});
