/** Vision models in the layout of Hugging Face's `data2vec-vision`: names and shapes of the tensors, and whole model folders. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { readJson, writeText } from "../../checkpoint/files.js";
import {
  exportTensors,
  type ImportedParameters,
  importTensors,
  readModelTensors,
  type TensorRule,
  withoutPrefix,
} from "../../checkpoint/huggingface.js";
import { type HostTensor, writeSafetensors } from "../../checkpoint/safetensors.js";
import { ffnDim, patchCount, type VisionDataConfig } from "./config.js";
import { type VisionModel, visionFromConfig, visionToConfig } from "./huggingface-config.js";
import { type ImagePreparation, preparationFromConfig, preparationToConfig } from "./huggingface-preprocessor.js";
import { relativePositionRows } from "./relative-index.js";

/** Before the names of the body, in models with a head. */
const PREFIX = "data2vec_vision.";

/** Fields that Hugging Face takes as Python floats only: 1.0, never 1. */
const FLOATS =
  /^( {2}"(?:hidden_dropout_prob|attention_probs_dropout_prob|drop_path_rate|initializer_range|layer_norm_eps|layer_scale_init_value)": -?\d+)(,?)$/gm;

/** A model folder in memory. */
export interface LoadedVisionModel extends ImportedParameters {
  model: VisionModel;
  /** How images become its input; null where the folder doesn't say. */
  preparation: ImagePreparation | null;
}

/**
 * Reads a model folder: `config.json`, the weights, and `preprocessor_config.json` if there is one.
 *
 * @throws CheckpointError naming file, field or tensor
 */
export async function readVisionModel(folder: string): Promise<LoadedVisionModel> {
  const configFile = path.join(folder, "config.json");
  const { model, meanPooling, problemType, labels, isClassifier, notes } = visionFromConfig(await readJson(configFile), configFile);
  const tensors = await readModelTensors(folder);
  // Files without `architectures` show in their tensors what they are.
  const described: VisionModel = {
    model,
    meanPooling,
    problemType,
    labels: isClassifier || tensors.has("classifier.weight") ? labels : null,
  };
  const imported = fromHuggingFace(tensors, described, folder);
  const preprocessorFile = path.join(folder, "preprocessor_config.json");
  const names = await readdir(folder);
  const json = names.includes("preprocessor_config.json") ? await readJson(preprocessorFile) : null;
  const preparation = json === null ? null : preparationFromConfig(json, model, preprocessorFile);
  return {
    model: described,
    parameters: imported.parameters,
    preparation,
    notes: [...notes, ...imported.notes, ...(preparation?.notes ?? [])],
  };
}

/** Writes a model folder that Hugging Face's `from_pretrained` loads; `data` says how images become its input. */
export async function writeVisionModel(
  folder: string,
  parameters: ReadonlyMap<string, HostTensor>,
  model: VisionModel,
  data: Pick<VisionDataConfig, "mean" | "std" | "interpolation" | "evaluationCrop">,
): Promise<void> {
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  await writeSafetensors(path.join(folder, "model.safetensors"), toHuggingFace(parameters, model));
  await writeText(path.join(folder, "config.json"), withPoints(json(visionToConfig(model, { maskToken: parameters.has("maskToken") }))));
  await writeText(path.join(folder, "preprocessor_config.json"), json(preparationToConfig(data, model.model)));
}

/** The text of a `config.json` with a decimal point in every field that is a float. */
function withPoints(text: string): string {
  return text.replace(FLOATS, "$1.0$2");
}

/**
 * The tensors that Hugging Face knows for these parameters, with the prefix `data2vec_vision.` when there is a classifier. The key of
 * attention has no bias there, so that part of `qkv.bias` must be 0.
 */
export function toHuggingFace(parameters: ReadonlyMap<string, HostTensor>, model: VisionModel): Map<string, HostTensor> {
  const tensors = exportTensors(parameters, visionTensorRules(model));
  if (model.labels === null) return tensors;
  return new Map([...tensors].map(([name, tensor]) => [name.startsWith("classifier.") ? name : PREFIX + name, tensor]));
}

/**
 * Parameters from the tensors of a Hugging Face model, with or without the prefix `data2vec_vision.`. A missing mask token, as in models
 * made for classification, becomes zero.
 *
 * @param source names the model in messages
 */
export function fromHuggingFace(tensors: ReadonlyMap<string, HostTensor>, model: VisionModel, source = "model"): ImportedParameters {
  const { parameters, notes } = importTensors(withoutPrefix(tensors, PREFIX, source), visionTensorRules(model), source);
  // A classifier has no use for a mask token, so its absence is nothing to tell.
  return { parameters, notes: model.labels === null ? notes : [] };
}

/** Names and shapes of a model's tensors there (without prefix) and of its parameters here. */
export function visionTensorRules({ model, meanPooling, labels }: VisionModel): TensorRule[] {
  const { dim, depth, heads, channels, patchSize, imageSize, layerScale, relativePositionBias: bias, absolutePositions } = model;
  const rules: TensorRule[] = [];
  const same = (theirs: string, ours: string, shape: number[], missing?: "absent") =>
    rules.push({ theirs, theirShape: shape, ours, ourShape: shape, missing });
  const reshaped = (theirs: string, theirShape: number[], ours: string, ourShape: number[], missing?: "zero") =>
    rules.push({ theirs, theirShape, ours, ourShape, missing });
  const part = (theirs: string, theirShape: number[], ours: string, ourShape: number[], start: number) =>
    rules.push({ theirs, theirShape, ours, ourShape, start });
  const dense = (theirs: string, ours: string, rows: number, columns: number) => {
    same(`${theirs}.weight`, `${ours}.weight`, [rows, columns]);
    same(`${theirs}.bias`, `${ours}.bias`, [rows]);
  };
  const norm = (theirs: string, ours: string, missing?: "absent") => {
    same(`${theirs}.weight`, `${ours}.weight`, [dim], missing);
    same(`${theirs}.bias`, `${ours}.bias`, [dim], missing);
  };
  const table = (theirs: string, ours: string) => {
    const rows = relativePositionRows(imageSize / patchSize);
    same(`${theirs}.relative_position_bias.relative_position_bias_table`, `${ours}relativePosition.table`, [rows, heads]);
  };

  reshaped("embeddings.cls_token", [1, 1, dim], "clsToken", [1, dim]);
  reshaped("embeddings.mask_token", [1, 1, dim], "maskToken", [1, dim], "zero");
  const patch = "embeddings.patch_embeddings.projection";
  reshaped(`${patch}.weight`, [dim, channels, patchSize, patchSize], "patchEmbed.weight", [dim, channels * patchSize ** 2]);
  same(`${patch}.bias`, "patchEmbed.bias", [dim]);
  if (absolutePositions) {
    const tokens = patchCount(model) + 1;
    reshaped("embeddings.position_embeddings", [1, tokens, dim], "positions", [tokens, dim]);
  }
  if (bias === "shared" || bias === "both") table("encoder", "");

  for (let i = 0; i < depth; i++) {
    const theirs = `encoder.layer.${i}`;
    const ours = `transformer.blocks.${i}`;
    const attention = `${theirs}.attention.attention`;
    norm(`${theirs}.layernorm_before`, `${ours}.norm1`);
    for (const [row, name] of ["query", "key", "value"].entries()) {
      part(`${attention}.${name}.weight`, [dim, dim], `${ours}.attention.qkv.weight`, [3 * dim, dim], row * dim * dim);
    }
    part(`${attention}.query.bias`, [dim], `${ours}.attention.qkv.bias`, [3 * dim], 0);
    part(`${attention}.value.bias`, [dim], `${ours}.attention.qkv.bias`, [3 * dim], 2 * dim);
    dense(`${theirs}.attention.output.dense`, `${ours}.attention.output`, dim, dim);
    if (bias === "perBlock" || bias === "both") table(attention, `${ours}.`);
    norm(`${theirs}.layernorm_after`, `${ours}.norm2`);
    dense(`${theirs}.intermediate.dense`, `${ours}.ffn.up`, ffnDim(model), dim);
    dense(`${theirs}.output.dense`, `${ours}.ffn.down`, dim, ffnDim(model));
    if (layerScale !== null) {
      same(`${theirs}.lambda_1`, `${ours}.gamma1`, [dim]);
      same(`${theirs}.lambda_2`, `${ours}.gamma2`, [dim]);
    }
  }

  // Hugging Face makes a pooler only on request where there is no classifier.
  if (meanPooling) norm("pooler.layernorm", "pooler.norm", labels === null ? "absent" : undefined);
  else norm("layernorm", "norm");
  if (labels !== null) dense("classifier", "classifier", labels.length, dim);
  return rules;
}
