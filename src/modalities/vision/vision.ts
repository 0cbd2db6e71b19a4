import { Linear } from "../../nn/linear.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Modality } from "../modality.js";
import { ffnDim, type VisionConfig, visionArchitecture, visionSchema } from "./config.js";
import { openImageFiles, openJudgedImages, openLabelledImages, openMaskedImages, rawImages } from "./data.js";
import { VisionEncoder } from "./encoder.js";
import { VisionHead } from "./head.js";
import { readVisionModel, writeVisionModel } from "./huggingface.js";
import { fitToArchitecture, visionPresets } from "./presets.js";

/** Cut-off of initial weights in standard deviations: BEiT's in pretraining, timm's in fine-tuning. */
const INIT_CLIP = { pretraining: 1, finetuning: 2 };

/** Images: patches, block-wise masks, BEiT's vision Transformer. */
export const vision: Modality<VisionConfig, Tensor> = {
  name: "vision",
  modelType: "data2vec-vision",
  schema: visionSchema,
  presets: visionPresets,
  fitPreset: fitToArchitecture,
  fixed: ({ model }) => ({ model: visionArchitecture(model) }),
  // The layer scale starts anywhere; only whether there is one matters.
  architecture: ({ model }) => ({ ...visionArchitecture(model), layerScale: model.layerScale !== null }),
  tasks: ["classify"],
  createEncoder: (config, role) => {
    const pretraining = role === "student" || role === "teacher";
    return createEncoder(config, { maskToken: pretraining, finalNorm: pretraining });
  },
  createHead: ({ model }, _task, classes) => new VisionHead(model, "mean", classes),
  createRegressionHead:
    ({ model }) =>
    (dim) =>
      new Linear(dim, dim, { kind: "normal", std: model.initStd, clip: INIT_CLIP.pretraining }),
  openPretraining: openMaskedImages,
  openLabelled: openLabelledImages,
  openEvaluation: openJudgedImages,
  openFiles: openImageFiles,
  rawInputs: rawImages,
  saveModel: (folder, { config: { model, data }, parameters, outputs }) => {
    const labels = outputs === null ? null : [...outputs];
    return writeVisionModel(folder, parameters, { model, meanPooling: labels !== null, labels, problemType: "single" }, data);
  },
  loadModel: async (folder) => {
    const { model, preparation, parameters, notes } = await readVisionModel(folder);
    const { train, data, model: defaults } = visionPresets.finetune.base;
    const config = { model: { ...defaults, ...model.model }, data: { ...data, ...preparation }, train };
    const pooling = model.meanPooling ? (parameters.has("pooler.norm.weight") ? "mean" : "none") : "token";
    return {
      config,
      encoder: createEncoder(config, { maskToken: parameters.has("maskToken"), finalNorm: !model.meanPooling }),
      head: pooling === "none" ? null : new VisionHead(config.model, pooling, model.labels?.length ?? null),
      task: model.labels === null ? null : "classify",
      outputs: model.labels,
      benchmark: null,
      parameters,
      notes,
    };
  },
};

/** An encoder with a mask token (which is what pretraining needs) and a norm after the last block, or without. */
function createEncoder({ model }: VisionConfig, parts: { maskToken: boolean; finalNorm: boolean }): VisionEncoder {
  const initClip = parts.maskToken ? INIT_CLIP.pretraining : INIT_CLIP.finetuning;
  return new VisionEncoder({ ...model, ...parts, ffnDim: ffnDim(model), initClip });
}
