import { resolveSteps } from "../../config/train.js";
import type { Modality } from "../modality.js";
import { type TextConfig, textArchitecture, textSchema } from "./config.js";
import { openTextFiles } from "./files.js";
import type { TextInput } from "./input.js";
import { openJudgedText, openLabelledText } from "./labelled-data.js";
import { createTextEncoder, createTextHead, createTextRegressionHead, loadTextModel, saveTextModel } from "./model.js";
import { fitToArchitecture, textPresets } from "./presets.js";
import { openMaskedText } from "./pretraining-data.js";
import { rawText } from "./raw.js";

/** Text: byte-level byte pairs, masked spans, RoBERTa's Transformer. */
export const text: Modality<TextConfig, TextInput> = {
  name: "text",
  modelType: "data2vec-text",
  schema: textSchema,
  presets: textPresets,
  fitPreset: fitToArchitecture,
  fixed: ({ model }) => ({ model: textArchitecture(model) }),
  architecture: ({ model }) => textArchitecture(model),
  tasks: ["classify", "regress"],
  createEncoder: (config, role) => createTextEncoder(config, { embeds: role !== "teacher" }),
  createHead: createTextHead,
  createRegressionHead: ({ model }) => createTextRegressionHead(model),
  targetConfig: ({ model }) => {
    const scales = { mean: 1 / model.dim, sqrtDim: 1 / Math.sqrt(model.dim) };
    return { ...model, lossScale: typeof model.lossScale === "number" ? model.lossScale : scales[model.lossScale] };
  },
  emaSchedule: ({ model, train }) => ({
    ...model,
    emaAnnealUpdates: model.emaAnnealSteps === null ? train.steps : resolveSteps(model.emaAnnealSteps, train.steps),
  }),
  openPretraining: openMaskedText,
  openLabelled: openLabelledText,
  openEvaluation: openJudgedText,
  openFiles: openTextFiles,
  rawInputs: rawText,
  saveModel: saveTextModel,
  loadModel: loadTextModel,
};
