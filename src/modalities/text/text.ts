import type { Modality } from "../modality.js";
import { type TextConfig, textArchitecture, textSchema } from "./config.js";
import { openTextFiles } from "./files.js";
import type { TextInput } from "./input.js";
import { openJudgedText, openLabelledText } from "./labelled-data.js";
import { createTextEncoder, createTextHead, createTextRegressionHead, loadTextModel, saveTextModel } from "./model.js";
import { fitToArchitecture, glueRecipe, textPresets } from "./presets.js";
import { openMaskedText } from "./pretraining-data.js";
import { rawText } from "./raw.js";

/** Text: byte-level byte pairs, masked spans, RoBERTa's Transformer. */
export const text: Modality<TextConfig, TextInput> = {
  name: "text",
  modelType: "data2vec-text",
  schema: textSchema,
  presets: textPresets,
  fitPreset: fitToArchitecture,
  recipe: glueRecipe,
  fixed: ({ model }) => ({ model: textArchitecture(model) }),
  architecture: ({ model }) => textArchitecture(model),
  tasks: ["classify", "regress"],
  createEncoder: (config, role) => createTextEncoder(config, { embeds: role !== "teacher" }),
  createHead: createTextHead,
  createRegressionHead: ({ model }) => createTextRegressionHead(model),
  openPretraining: openMaskedText,
  openLabelled: openLabelledText,
  openEvaluation: openJudgedText,
  openFiles: openTextFiles,
  rawInputs: rawText,
  saveModel: saveTextModel,
  loadModel: loadTextModel,
};
