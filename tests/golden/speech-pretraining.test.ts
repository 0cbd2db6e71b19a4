import { describe, it } from "vitest";
import { toFloat32 } from "../../src/checkpoint/safetensors.js";
import { Data2VecPretraining } from "../../src/data2vec/pretraining.js";
import { SpeechEncoder, type SpeechEncoderConfig } from "../../src/modalities/speech/encoder.js";
import { uploadClips } from "../../src/modalities/speech/input.js";
import { Linear } from "../../src/nn/linear.js";
import { devices } from "../devices.js";
import { fromFairseqAudio } from "./fairseq-audio-names.js";
import { goldenCase } from "./golden.js";
import { expectUpdate } from "./update.js";

const RECIPES = {
  d2v1_audio_base: {
    featureGradScale: 1,
    target: { targetNormalization: "instance", finalTargetNormalization: "none", lossBeta: 0, lossScale: 1 / Math.sqrt(24) },
  },
  d2v1_audio_pad: {
    featureGradScale: 0.3,
    target: { targetNormalization: "layer", finalTargetNormalization: "layer", lossBeta: 0.25, lossScale: 0.7 },
  },
} as const;

describe.each(devices)("one data2vec update of speech on $name", ({ open }) => {
  it.each(Object.keys(RECIPES) as (keyof typeof RECIPES)[])("%s", async (name) => {
    const golden = await goldenCase(name);
    using device = open();
    const { featureGradScale, target } = RECIPES[name];
    const config: SpeechEncoderConfig = {
      convDims: [16, 16, 16, 16],
      convKernels: [10, 3, 3, 2],
      convStrides: [5, 2, 2, 2],
      convBias: false,
      dim: 24,
      depth: 3,
      heads: 4,
      ffnDim: 48,
      layerNormEps: 1e-5,
      posConvLayers: 5,
      posConvKernel: 19,
      posConvGroups: 4,
      paddedPositions: "leak",
      dropout: 0,
      attentionDropout: 0,
      activationDropout: 0,
      layerDrop: 0,
      featureDropout: 0,
      featureGradScale,
      emaPositions: "copied",
      embeds: true,
      initStd: 0.02,
    };
    const encoder = (role: "student" | "teacher") => new SpeechEncoder({ ...config, embeds: role === "student" });
    const task = new Data2VecPretraining(device, encoder, (dim) => new Linear(dim, dim, { kind: "constant", value: 0 }), {
      averageTopKLayers: 2,
      targetLayer: "ffn",
      ...target,
    });

    const flags = (key: string) => Int32Array.from((golden.io.get(key)?.data as Uint8Array | undefined) ?? [], Number);
    const mask = flags("input.mask_indices");
    const rows = [...mask.keys()].filter((i) => mask[i] === 1);
    const padding = flags("input.padding_mask");
    const samples = [0, 1].map((clip) => 1600 - padding.subarray(clip * 1600, (clip + 1) * 1600).reduce((sum, flag) => sum + flag, 0));
    await expectUpdate({
      golden,
      task,
      student: fromFairseqAudio,
      teacher: (tensors) => fromFairseqAudio(tensors, "", "encoder."),
      batch: () => {
        const waveform = toFloat32(golden.io.get("input.source")!);
        const input = uploadClips(device, { waveform, samples }, config);
        return {
          input,
          masked: input,
          mask: device.fromIndices(mask, [2, 39]),
          maskedRows: device.fromIndices(Int32Array.from(rows), [rows.length]),
        };
      },
      rows,
      outputs: { target: "output.target.0", prediction: "output.pred.0", loss: "output.loss" },
      // The case's loss is a sum, and its optimizer sees the gradient over the number of masked positions.
      factor: rows.length,
      optimizer: { beta1: 0.9, beta2: 0.98, epsilonPlacement: "uncorrected", weightDecayOn: "all" },
    });
  });
});
