/** Text models in the layout of Hugging Face's `data2vec-text`: names and shapes of the tensors, and whole model folders. */
import path from "node:path";
import { CheckpointError } from "../../checkpoint/error.js";
import { readJson, writeText } from "../../checkpoint/files.js";
import {
  exportTensors,
  type ImportedParameters,
  importTensors,
  readModelTensors,
  type TensorRule,
  withoutPrefix,
} from "../../checkpoint/huggingface.js";
import { type HostTensor, hostTensor, toFloat32, writeSafetensors } from "../../checkpoint/safetensors.js";
import { ffnDim } from "./config.js";
import { positionRows } from "./encoder.js";
import { type TextModel, textFromConfig, textToConfig } from "./huggingface-config.js";

/** Before the names of the body, in models with a head. */
const PREFIX = "data2vec_text.";

const TYPES = "embeddings.token_type_embeddings.weight";
const POOLER = "pooler.dense";

/** Tensors of heads; of them only the classifier of whole sequences is read. */
const HEADS = /^(lm_head|qa_outputs|classifier)\./;

/** Fields that Hugging Face takes as Python floats only: 1.0, never 1. */
const FLOATS =
  /^( {2}"(?:hidden_dropout_prob|attention_probs_dropout_prob|classifier_dropout|initializer_range|layer_norm_eps)": -?\d+)(,?)$/gm;

/** A model folder in memory. */
export interface LoadedTextModel extends ImportedParameters {
  model: TextModel;
}

/**
 * Reads a model folder: `config.json` and the weights. Heads other than that for sequences are left out, with a note.
 *
 * @throws CheckpointError naming file, field or tensor
 */
export async function readTextModel(folder: string): Promise<LoadedTextModel> {
  const file = path.join(folder, "config.json");
  const { isClassifier, notes, labels, problem, ...described } = textFromConfig(await readJson(file), file);
  const tensors = withoutPrefix(await readModelTensors(folder), PREFIX, folder);
  // Files without `architectures` show in their tensors what they are.
  const hasHead = isClassifier || tensors.has("classifier.out_proj.weight");
  if (hasHead && problem === "regression" && labels.length !== 1) {
    throw new CheckpointError(`${file}: problem_type: "regression" of ${labels.length} values is not supported, only of one`);
  }
  const model: TextModel = { ...described, problem: hasHead ? problem : null, labels: hasHead ? labels : null };
  const leftOut = hasHead ? [] : [...tensors.keys()].filter((name) => HEADS.test(name));
  for (const name of leftOut) tensors.delete(name);
  const left = leftOut.length === 0 ? [] : [`${folder}: the head (${headOf(leftOut)}) is left out; only the body is read`];
  // A table of one type that is all zeros changes nothing: there was none, as in the models of fairseq.
  if (tensors.has(TYPES) && model.model.typeVocabSize === 1 && isZero(tensors, TYPES)) {
    model.model = { ...model.model, typeVocabSize: 0 };
  }
  const pooler = [`${POOLER}.weight`, `${POOLER}.bias`];
  // The same with a pooler.
  if (pooler.every((name) => tensors.has(name) && isZero(tensors, name))) for (const name of pooler) tensors.delete(name);
  const imported = fromHuggingFace(tensors, model, folder);
  return { model, parameters: imported.parameters, notes: [...notes, ...left, ...imported.notes] };
}

/** Writes `config.json` and the weights as Hugging Face's `from_pretrained` loads them. */
export async function writeTextModel(folder: string, parameters: ReadonlyMap<string, HostTensor>, model: TextModel): Promise<void> {
  await writeSafetensors(path.join(folder, "model.safetensors"), toHuggingFace(parameters, model));
  const json = JSON.stringify(textToConfig(model), null, 2).replace(FLOATS, "$1.0$2");
  await writeText(path.join(folder, "config.json"), `${json}\n`);
}

/**
 * The tensors that Hugging Face knows for these parameters, with the prefix `data2vec_text.` when there is a head for sequences. What it always
 * has and the model lacks (token types; the pooler of a body) is zeros, which are read as none.
 */
export function toHuggingFace(parameters: ReadonlyMap<string, HostTensor>, model: TextModel): Map<string, HostTensor> {
  const tensors = exportTensors(parameters, textTensorRules(model));
  const { typeVocabSize, dim } = model.model;
  if (typeVocabSize === 0) tensors.set(TYPES, hostTensor([1, dim], new Float32Array(dim)));
  if (model.labels === null) {
    // Without one, Hugging Face would draw a pooler at random whenever it loads the body, and say so.
    if (!tensors.has(`${POOLER}.weight`)) {
      tensors.set(`${POOLER}.weight`, hostTensor([dim, dim], new Float32Array(dim * dim)));
      tensors.set(`${POOLER}.bias`, hostTensor([dim], new Float32Array(dim)));
    }
    return tensors;
  }
  return new Map([...tensors].map(([name, tensor]) => [name.startsWith("classifier.") ? name : PREFIX + name, tensor]));
}

/**
 * Parameters from the tensors of a Hugging Face model, with or without the prefix `data2vec_text.`.
 *
 * @param source names the model in messages
 */
export function fromHuggingFace(tensors: ReadonlyMap<string, HostTensor>, model: TextModel, source = "model"): ImportedParameters {
  const plain = withoutPrefix(tensors, PREFIX, source);
  if (model.model.typeVocabSize === 0) plain.delete(TYPES);
  return importTensors(plain, textTensorRules(model), source);
}

/** Names and shapes of a model's tensors there (without prefix) and of its parameters here. */
export function textTensorRules({ model, labels }: TextModel): TensorRule[] {
  const { vocabSize, typeVocabSize, dim, depth } = model;
  const rules: TensorRule[] = [];
  const same = (theirs: string, ours: string, shape: number[], missing?: "absent") =>
    rules.push({ theirs, theirShape: shape, ours, ourShape: shape, missing });
  const part = (theirs: string, theirShape: number[], ours: string, ourShape: number[], start: number) =>
    rules.push({ theirs, theirShape, ours, ourShape, start });
  const dense = (theirs: string, ours: string, rows: number, columns: number, missing?: "absent") => {
    same(`${theirs}.weight`, `${ours}.weight`, [rows, columns], missing);
    same(`${theirs}.bias`, `${ours}.bias`, [rows], missing);
  };
  const norm = (theirs: string, ours: string) => {
    same(`${theirs}.weight`, `${ours}.weight`, [dim]);
    same(`${theirs}.bias`, `${ours}.bias`, [dim]);
  };

  same("embeddings.word_embeddings.weight", "embedding.tokens.table", [vocabSize, dim]);
  same("embeddings.position_embeddings.weight", "embedding.positions.table", [positionRows(model), dim]);
  if (typeVocabSize > 0) same(TYPES, "embedding.types.table", [typeVocabSize, dim]);
  norm("embeddings.LayerNorm", "embedding.norm");

  for (let i = 0; i < depth; i++) {
    const theirs = `encoder.layer.${i}`;
    const ours = `transformer.blocks.${i}`;
    for (const [row, name] of ["query", "key", "value"].entries()) {
      const attention = `${theirs}.attention.self.${name}`;
      part(`${attention}.weight`, [dim, dim], `${ours}.attention.qkv.weight`, [3 * dim, dim], row * dim * dim);
      part(`${attention}.bias`, [dim], `${ours}.attention.qkv.bias`, [3 * dim], row * dim);
    }
    dense(`${theirs}.attention.output.dense`, `${ours}.attention.output`, dim, dim);
    norm(`${theirs}.attention.output.LayerNorm`, `${ours}.norm1`);
    dense(`${theirs}.intermediate.dense`, `${ours}.ffn.up`, ffnDim(model), dim);
    dense(`${theirs}.output.dense`, `${ours}.ffn.down`, dim, ffnDim(model));
    norm(`${theirs}.output.LayerNorm`, `${ours}.norm2`);
  }

  // Hugging Face makes a pooler only on request, and never under a head for sequences.
  if (labels === null) {
    dense(POOLER, "pooler.dense", dim, dim, "absent");
  } else {
    dense("classifier.dense", "classifier.dense", dim, dim);
    dense("classifier.out_proj", "classifier.output", labels.length, dim);
  }
  return rules;
}

function isZero(tensors: ReadonlyMap<string, HostTensor>, name: string): boolean {
  return toFloat32(tensors.get(name)!, name).every((value) => value === 0);
}

/** The parts of a head by the beginnings of its tensors' names. */
function headOf(names: readonly string[]): string {
  return [...new Set(names.map((name) => name.split(".")[0]))].join(", ");
}
