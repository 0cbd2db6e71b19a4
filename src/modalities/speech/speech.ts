import { Linear } from "../../nn/linear.js";
import type { Init } from "../../nn/parameter.js";
import type { Modality, TaskHead, TaskName } from "../modality.js";
import { ffnDim, SAMPLE_RATE, type SpeechConfig, type SpeechModelConfig, speechArchitecture, speechSchema } from "./config.js";
import { openClipFiles, openJudgedClips, openLabelledClips, openMaskedClips } from "./data.js";
import { SpeechEncoder } from "./encoder.js";
import { ClassificationHead, CtcHead } from "./head.js";
import { readSpeechModel, writeSpeechModel } from "./huggingface.js";
import type { SpeechTask } from "./huggingface-config.js";
import type { SpeechInput } from "./input.js";
import { fitToArchitecture, speechPresets } from "./presets.js";
import { rawClips } from "./raw.js";

/** Speech: convolutions over the waveform, masks in spans, wav2vec 2.0's Transformer. */
export const speech: Modality<SpeechConfig, SpeechInput> = {
  name: "speech",
  modelType: "data2vec-audio",
  schema: speechSchema,
  presets: speechPresets,
  fitPreset: fitToArchitecture,
  fixed: ({ model, data }) => ({ model: speechArchitecture(model), data: { normalize: data.normalize } }),
  architecture: ({ model }) => speechArchitecture(model),
  tasks: ["classify", "ctc"],
  createEncoder: ({ model }, role) => createEncoder(model, { embeds: role !== "teacher" }),
  createHead: ({ model }, task, outputs) => createHead(model, speechTask(task), outputs),
  // It stands outside of the encoder, where fairseq keeps PyTorch's default.
  createRegressionHead: () => (dim) => {
    const init: Init = { kind: "uniform", low: -1 / Math.sqrt(dim), high: 1 / Math.sqrt(dim) };
    return new Linear(dim, dim, init, init);
  },
  openPretraining: openMaskedClips,
  openLabelled: openLabelledClips,
  openEvaluation: openJudgedClips,
  openFiles: openClipFiles,
  positionSeconds: ({ model }) => model.convStrides.reduce((product, stride) => product * stride, 1) / SAMPLE_RATE,
  rawInputs: rawClips,
  saveModel: (folder, { config, parameters, task, outputs }) => {
    const model = { model: config.model, task: task === null ? null : speechTask(task), outputs: outputs === null ? null : [...outputs] };
    return writeSpeechModel(folder, parameters, model, config);
  },
  loadModel: async (folder) => {
    const { model, preparation, parameters, notes } = await readSpeechModel(folder);
    const { train, data, model: defaults } = speechPresets.finetune.base;
    const { normalize } = preparation ?? data;
    const config = { model: { ...defaults, ...model.model }, data: { ...data, normalize }, train };
    return {
      config,
      encoder: createEncoder(config.model, { embeds: true }),
      head: model.task === null ? null : createHead(config.model, model.task, model.outputs!.length),
      task: model.task,
      outputs: model.outputs,
      benchmark: null,
      parameters,
      notes,
    };
  },
};

function createEncoder(model: SpeechModelConfig, { embeds }: { embeds: boolean }): SpeechEncoder {
  return new SpeechEncoder({ ...model, embeds, ffnDim: ffnDim(model) });
}

function createHead(model: SpeechModelConfig, task: SpeechTask, outputs: number): TaskHead {
  return task === "ctc" ? new CtcHead(model, outputs) : new ClassificationHead(model, outputs);
}

function speechTask(task: TaskName): SpeechTask {
  if (task === "classify" || task === "ctc") return task;
  throw new Error(`speech: task ${task} isn't supported, only classify and ctc`);
}
