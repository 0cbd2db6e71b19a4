/** Speech models in the layout of Hugging Face's `data2vec-audio`: names and shapes of the tensors, and whole model folders. */
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
import { ffnDim, type SpeechConfig } from "./config.js";
import { type DescribedSpeechModel, type SpeechModel, speechFromConfig, speechToConfig } from "./huggingface-config.js";
import { type ClipPreparation, clipPreparationFromConfig, clipPreparationToConfig } from "./huggingface-preprocessor.js";
import { readSymbols, writeSymbols } from "./huggingface-tokenizer.js";

/** Before the names of the body, in models with a head. */
const PREFIX = "data2vec_audio.";

/** Fields that Hugging Face takes as Python floats only: 1.0, never 1. */
const FLOATS =
  /^( {2}"(?:\w+_dropout|feat_proj_dropout|layerdrop|initializer_range|layer_norm_eps|mask_time_prob|mask_feature_prob)": -?\d+)(,?)$/gm;

/** A model folder in memory. */
export interface LoadedSpeechModel extends ImportedParameters {
  model: SpeechModel;
  /** How clips become its input; null where the folder doesn't say. */
  preparation: ClipPreparation | null;
}

/**
 * Reads a model folder: `config.json`, the weights, and if they are there `preprocessor_config.json` and `vocab.json`.
 *
 * @throws CheckpointError naming file, field or tensor
 */
export async function readSpeechModel(folder: string): Promise<LoadedSpeechModel> {
  const configFile = path.join(folder, "config.json");
  const described = speechFromConfig(await readJson(configFile), configFile);
  const tensors = await readModelTensors(folder);
  // Files without `architectures` show in their tensors what they are.
  const task = described.task ?? (tensors.has("lm_head.weight") ? "ctc" : tensors.has("classifier.weight") ? "classify" : null);
  const notes = [...described.notes];
  const outputs = task === "ctc" ? await symbolsOf(folder, described, notes) : task === "classify" ? described.labels : null;
  const model: SpeechModel = { model: described.model, task, outputs };
  const imported = fromHuggingFace(tensors, model, folder);
  const preprocessorFile = path.join(folder, "preprocessor_config.json");
  const names = await readdir(folder);
  const json = names.includes("preprocessor_config.json") ? await readJson(preprocessorFile) : null;
  const preparation = json === null ? null : clipPreparationFromConfig(json, preprocessorFile);
  return {
    model,
    parameters: imported.parameters,
    preparation,
    notes: [...notes, ...imported.notes, ...(preparation?.notes ?? [])],
  };
}

/** Writes a model folder that Hugging Face's `from_pretrained` loads; `config` also says how clips become its input. */
export async function writeSpeechModel(
  folder: string,
  parameters: ReadonlyMap<string, HostTensor>,
  model: SpeechModel,
  config: Pick<SpeechConfig, "model" | "data">,
): Promise<void> {
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  await writeSafetensors(path.join(folder, "model.safetensors"), toHuggingFace(parameters, model));
  await writeText(path.join(folder, "config.json"), json(speechToConfig(model, config.model)).replace(FLOATS, "$1.0$2"));
  const preprocessor = { ...clipPreparationToConfig(config.data), ...(model.task === "ctc" && { processor_class: "Wav2Vec2Processor" }) };
  await writeText(path.join(folder, "preprocessor_config.json"), json(preprocessor));
  if (model.task === "ctc") await writeSymbols(folder, model.outputs!);
}

/** The tensors that Hugging Face knows for these parameters, with the prefix `data2vec_audio.` when there is a head. */
export function toHuggingFace(parameters: ReadonlyMap<string, HostTensor>, model: SpeechModel): Map<string, HostTensor> {
  const tensors = exportTensors(parameters, speechTensorRules(model));
  if (model.task === null) return tensors;
  return new Map([...tensors].map(([name, tensor]) => [isHead(name) ? name : PREFIX + name, tensor]));
}

/**
 * Parameters from the tensors of a Hugging Face model, with or without the prefix `data2vec_audio.`. A missing mask vector, as in models made
 * without masking, becomes zero.
 *
 * @param source names the model in messages
 */
export function fromHuggingFace(tensors: ReadonlyMap<string, HostTensor>, model: SpeechModel, source = "model"): ImportedParameters {
  const { parameters, notes } = importTensors(withoutPrefix(tensors, PREFIX, source), speechTensorRules(model), source);
  // A model with a head has done without, so its absence is nothing to tell.
  return { parameters, notes: model.task === null ? notes : [] };
}

/** Names and shapes of a model's tensors there (without prefix) and of its parameters here. */
export function speechTensorRules({ model, task, outputs }: SpeechModel): TensorRule[] {
  const { dim, depth, convDims, convKernels, convBias, posConvLayers, posConvKernel, posConvGroups, classifierDim } = model;
  const rules: TensorRule[] = [];
  const same = (theirs: string, ours: string, shape: number[], missing?: "zero") =>
    rules.push({ theirs, theirShape: shape, ours, ourShape: shape, missing });
  const part = (theirs: string, theirShape: number[], ours: string, ourShape: number[], start: number) =>
    rules.push({ theirs, theirShape, ours, ourShape, start });
  const dense = (theirs: string, ours: string, rows: number, columns: number) => {
    same(`${theirs}.weight`, `${ours}.weight`, [rows, columns]);
    same(`${theirs}.bias`, `${ours}.bias`, [rows]);
  };
  const norm = (theirs: string, ours: string, size: number) => {
    same(`${theirs}.weight`, `${ours}.weight`, [size]);
    same(`${theirs}.bias`, `${ours}.bias`, [size]);
  };
  const conv = (theirs: string, ours: string, [out, channels, kernel]: [number, number, number], bias: boolean) => {
    const shapes = { theirShape: [out, channels, kernel], ourShape: [out, kernel, channels] };
    rules.push({ theirs: `${theirs}.weight`, ours: `${ours}.weight`, ...shapes, swapped: true });
    if (bias) same(`${theirs}.bias`, `${ours}.bias`, [out]);
  };

  same("masked_spec_embed", "maskToken", [dim], "zero");
  for (const [i, channels] of convDims.entries()) {
    const theirs = `feature_extractor.conv_layers.${i}`;
    const ours = `featureExtractor.layers.${i}`;
    conv(`${theirs}.conv`, `${ours}.conv`, [channels, i === 0 ? 1 : convDims[i - 1], convKernels[i]], convBias);
    norm(`${theirs}.layer_norm`, `${ours}.norm`, channels);
  }
  const features = convDims[convDims.length - 1];
  norm("feature_projection.layer_norm", "featureProjection.norm", features);
  dense("feature_projection.projection", "featureProjection.linear", dim, features);
  for (let i = 0; i < posConvLayers; i++) {
    const sizes: [number, number, number] = [dim, dim / posConvGroups, posConvKernel];
    conv(`encoder.pos_conv_embed.layers.${i}.conv`, `positionalConv.layers.${i}`, sizes, true);
  }
  norm("encoder.layer_norm", "embeddingNorm", dim);

  for (let i = 0; i < depth; i++) {
    const theirs = `encoder.layers.${i}`;
    const ours = `transformer.blocks.${i}`;
    for (const [row, name] of ["q_proj", "k_proj", "v_proj"].entries()) {
      part(`${theirs}.attention.${name}.weight`, [dim, dim], `${ours}.attention.qkv.weight`, [3 * dim, dim], row * dim * dim);
      part(`${theirs}.attention.${name}.bias`, [dim], `${ours}.attention.qkv.bias`, [3 * dim], row * dim);
    }
    dense(`${theirs}.attention.out_proj`, `${ours}.attention.output`, dim, dim);
    norm(`${theirs}.layer_norm`, `${ours}.norm1`, dim);
    dense(`${theirs}.feed_forward.intermediate_dense`, `${ours}.ffn.up`, ffnDim(model), dim);
    dense(`${theirs}.feed_forward.output_dense`, `${ours}.ffn.down`, dim, ffnDim(model));
    norm(`${theirs}.final_layer_norm`, `${ours}.norm2`, dim);
  }

  if (task === "ctc") dense("lm_head", "symbols", outputs!.length, dim);
  if (task === "classify") {
    dense("projector", "projector", classifierDim, dim);
    dense("classifier", "classifier", outputs!.length, classifierDim);
  }
  return rules;
}

function isHead(name: string): boolean {
  return /^(lm_head|projector|classifier)\./.test(name);
}

/** The symbols of a folder; where it doesn't name them they have no text. */
async function symbolsOf(folder: string, { symbols: count, blank }: DescribedSpeechModel, notes: string[]): Promise<string[]> {
  const symbols = await readSymbols(folder, count, blank);
  if (symbols !== null) return symbols;
  notes.push(`${folder}: there is no vocab.json; the model's ${count} symbols have no text`);
  return Array.from({ length: count }, (_, id) => (id === blank ? "<pad>" : `<${id}>`));
}
