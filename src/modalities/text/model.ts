/** Text models as they are made, saved and loaded. */
import path from "node:path";
import { writeText } from "../../checkpoint/files.js";
import { glueName } from "../../data/text/glue.js";
import type { RegressionHead } from "../../data2vec/pretraining.js";
import { Linear } from "../../nn/linear.js";
import type { LoadedModel, SavedModel, TaskHead, TaskName } from "../modality.js";
import { ffnDim, type TextConfig, type TextModelConfig } from "./config.js";
import { TextEncoder } from "./encoder.js";
import { TextClassifier, TextPooler, TwoLayerHead } from "./head.js";
import { readTextModel, writeTextModel } from "./huggingface.js";
import type { TextProblem } from "./huggingface-config.js";
import type { TextInput } from "./input.js";
import { fitToArchitecture, textPresets } from "./presets.js";
import { companionTokenIds, hasTokenizer } from "./tokenizer.js";

/** The network; a teacher has none of the embeddings. */
export function createTextEncoder({ model }: TextConfig, { embeds }: { embeds: boolean }): TextEncoder {
  return new TextEncoder({ ...model, ffnDim: ffnDim(model), embeds });
}

/** The prediction head of pretraining. */
export function createTextRegressionHead({ headLayers, initStd }: TextModelConfig): (dim: number) => RegressionHead {
  const init = { kind: "normal", std: initStd } as const;
  return (dim) => (headLayers === 1 ? new Linear(dim, dim, init) : new TwoLayerHead(dim, init));
}

/** A head for a task with so many outputs; a value is one output. */
export function createTextHead({ model }: TextConfig, task: TaskName, outputs: number): TaskHead {
  if (task !== "classify" && task !== "regress") throw new Error(`text: task ${task}: expected classify or regress`);
  if (task === "regress" && outputs !== 1) throw new Error(`text: task regress: expected one output, got ${outputs}`);
  return new TextClassifier(model, outputs);
}

/** Writes a model folder: `config.json`, the weights, and the files of the tokenizer. */
export async function saveTextModel(folder: string, saved: SavedModel<TextConfig>): Promise<void> {
  const { config, parameters, task, outputs, benchmark, companions = {} } = saved;
  const tokens = companionTokenIds(companions);
  const problem: TextProblem = task === null ? null : task === "regress" ? "regression" : "single";
  const labels = outputs === null ? null : [...outputs];
  await writeTextModel(folder, parameters, { model: config.model, problem, labels, tokens, benchmark: glueName(benchmark) });
  for (const [name, content] of Object.entries(companions)) await writeText(path.join(folder, name), content);
}

/** Reads a model folder; a body has a pooler only where the folder has one. */
export async function loadTextModel(folder: string): Promise<LoadedModel<TextConfig, TextInput>> {
  const { model, parameters, notes } = await readTextModel(folder);
  const fitted = fitToArchitecture(textPresets.finetune.base, { model: model.model });
  const config = { ...fitted, data: { ...fitted.data, tokenizer: (await hasTokenizer(folder)) ? folder : null } };
  const task = model.problem === null ? null : model.problem === "regression" ? "regress" : "classify";
  const hasPooler = parameters.has("pooler.dense.weight");
  return {
    config,
    encoder: createTextEncoder(config, { embeds: true }),
    head:
      task !== null
        ? createTextHead(config, task, model.labels!.length)
        : hasPooler
          ? new TextPooler(config.model.dim, config.model.initStd)
          : null,
    task,
    outputs: model.labels,
    benchmark: task === null ? null : (model.benchmark ?? null),
    parameters,
    notes,
  };
}
