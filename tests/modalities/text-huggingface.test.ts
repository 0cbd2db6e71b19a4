import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/checkpoint/error.js";
import { writeText } from "../../src/checkpoint/files.js";
import { readModelTensors } from "../../src/checkpoint/huggingface.js";
import { elementCount, type HostTensor, hostTensor, readSafetensors, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { TextClassifier, TextPooler } from "../../src/modalities/text/head.js";
import { readTextModel, textTensorRules, toHuggingFace, writeTextModel } from "../../src/modalities/text/huggingface.js";
import { textFromConfig, textToConfig } from "../../src/modalities/text/huggingface-config.js";
import { createTextEncoder, loadTextModel } from "../../src/modalities/text/model.js";
import { textPresets } from "../../src/modalities/text/presets.js";
import { rawText } from "../../src/modalities/text/raw.js";

const golden = path.join(import.meta.dirname, "../golden");
const folders = ["model", "seqcls_single", "seqcls_multi", "seqcls_regression"].map((name) => `hf_text_${name}`);
const buffer = /position_ids$/;

const root = { path: "" };
beforeAll(async () => {
  root.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
});
afterAll(() => rm(root.path, { recursive: true }));

const configOf = async (name: string) => JSON.parse(await readFile(path.join(golden, name, "config.json"), "utf8"));

/** A model folder with these tensors and this config.json. */
async function folderWith(tensors: ReadonlyMap<string, HostTensor>, config: object): Promise<string> {
  const folder = await mkdtemp(path.join(root.path, "model"));
  await writeSafetensors(path.join(folder, "model.safetensors"), new Map(tensors));
  await writeText(path.join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

describe("data2vec-text folders of Hugging Face", () => {
  it.each(folders)("%s becomes parameters and goes back to the same tensors", async (name) => {
    const { model, parameters, notes } = await readTextModel(path.join(golden, name));
    expect(notes).toEqual([]);
    const original = await readSafetensors(path.join(golden, name, "model.safetensors"));
    for (const key of original.keys()) if (buffer.test(key)) original.delete(key);
    expect(new Map([...toHuggingFace(parameters, model)].sort())).toEqual(new Map([...original].sort()));
  });

  it.each(folders)("%s keeps every field of the configuration that means something", async (name) => {
    const config = await configOf(name);
    const { isClassifier, labels, problem, notes, ...described } = textFromConfig(config);
    const written = textToConfig({ ...described, problem: isClassifier ? problem : null, labels: isClassifier ? labels : null });
    expect(notes).toEqual([]);
    // What isn't set there is the dropout of the blocks.
    expect({ ...config, ...written, torch_dtype: null, classifier_dropout: null }).toEqual(config);
  });

  it.each(folders)("%s is written as a folder that reads back the same", async (name) => {
    const { model, parameters } = await readTextModel(path.join(golden, name));
    const folder = await mkdtemp(path.join(root.path, "written"));
    await writeTextModel(folder, parameters, model);
    expect(await readTextModel(folder)).toEqual({ model, parameters, notes: [] });
    expect(await readFile(path.join(folder, "config.json"), "utf8")).toContain('"hidden_dropout_prob": 0.0,');
  });

  it("has the number of parameters of the released model (specification, section 10)", () => {
    const { model } = textPresets.pretrain.base;
    const encoder = createTextEncoder(textPresets.pretrain.base, { embeds: true });
    const types = model.dim;
    expect(encoder.parameterCount + types + new TextPooler(model.dim, 0.02).parameterCount).toBe(124_645_632);
    const parts = [...encoder.namedParameters()].map(({ name, parameter }) => `${name} ${parameter.shape.join()}`);
    const rules = textTensorRules({ model, problem: null, labels: null, tokens: { bos: 0, eos: 2 } });
    const known = rules.filter(({ ours }) => !ours.startsWith("pooler.")).map(({ ours, ourShape }) => `${ours} ${ourShape.join()}`);
    expect([...new Set(known)].sort()).toEqual(parts.sort());
  });

  it("writes token types of zeros where there are none, and reads those as none", async () => {
    const { model, parameters } = await readTextModel(path.join(golden, "hf_text_model"));
    parameters.delete("embedding.types.table");
    const without = { ...model, model: { ...model.model, typeVocabSize: 0 } };
    const folder = await mkdtemp(path.join(root.path, "types"));
    await writeTextModel(folder, parameters, without);
    expect((await readModelTensors(folder)).get("embeddings.token_type_embeddings.weight")).toEqual(
      hostTensor([1, 32], new Float32Array(32)),
    );
    expect(JSON.parse(await readFile(path.join(folder, "config.json"), "utf8")).type_vocab_size).toBe(1);
    expect((await readTextModel(folder)).model.model.typeVocabSize).toBe(0);
  });

  it("has a pooled output only where there is a pooler", async () => {
    expect((await loadTextModel(path.join(golden, "hf_text_model"))).head).toBeInstanceOf(TextPooler);
    const tensors = await readModelTensors(path.join(golden, "hf_text_model"));
    for (const key of tensors.keys()) if (key.startsWith("pooler.")) tensors.delete(key);
    const bare = await folderWith(tensors, await configOf("hf_text_model"));
    const { head, task } = await loadTextModel(bare);
    expect([head, task]).toEqual([null, null]);
    // Hugging Face's body always has one: it is written as zeros, and read as none.
    const folder = await mkdtemp(path.join(root.path, "pooler"));
    const { model, parameters } = await readTextModel(bare);
    await writeTextModel(folder, parameters, model);
    const written = await readModelTensors(folder);
    expect(written.get("pooler.dense.weight")).toEqual(hostTensor([32, 32], new Float32Array(32 * 32)));
    expect(written.get("pooler.dense.bias")).toEqual(hostTensor([32], new Float32Array(32)));
    expect((await loadTextModel(folder)).head).toBeNull();
  });

  it("knows a classifier by its tensors where the file doesn't say", async () => {
    const tensors = await readModelTensors(path.join(golden, "hf_text_seqcls_single"));
    const { architectures, ...config } = await configOf("hf_text_seqcls_single");
    expect(architectures).toEqual(["Data2VecTextForSequenceClassification"]);
    const { head, task, outputs } = await loadTextModel(await folderWith(tensors, config));
    expect(head).toBeInstanceOf(TextClassifier);
    expect([task, outputs]).toEqual(["classify", ["LABEL_0", "LABEL_1", "LABEL_2"]]);
  });

  it("reads the body of a masked language model and says that its head is left out", async () => {
    const { model, parameters, notes } = await readTextModel(path.join(golden, "hf_text_mlm"));
    expect(model.labels).toBeNull();
    expect([...parameters.keys()].filter((name) => !/^(embedding|transformer)\./.test(name))).toEqual([]);
    expect(notes).toEqual([expect.stringMatching(/hf_text_mlm: the head \(lm_head\) is left out; only the body is read$/)]);
  });

  it("lists tensors that don't fit", async () => {
    const tensors = await readModelTensors(path.join(golden, "hf_text_model"));
    tensors.delete("encoder.layer.1.attention.self.key.bias");
    tensors.set("embeddings.word_embeddings.weight", hostTensor([98, 32], new Float32Array(elementCount([98, 32]))));
    const reading = readTextModel(await folderWith(tensors, await configOf("hf_text_model")));
    await expect(reading).rejects.toThrow(/missing: encoder.layer.1.attention.self.key.bias/);
    await expect(reading).rejects.toThrow(/embeddings.word_embeddings.weight: expected \[97,32\], got \[98,32\]/);
  });
});

describe("config.json of data2vec-text", () => {
  const minimal = { model_type: "data2vec-text" };

  it("has the defaults of Hugging Face's class", () => {
    const { model, labels, problem, isClassifier, tokens } = textFromConfig(minimal);
    expect(model).toEqual({
      vocabSize: 30522,
      maxPositions: 510,
      typeVocabSize: 2,
      paddingId: 1,
      dim: 768,
      depth: 12,
      heads: 12,
      mlpRatio: 4,
      layerNormEps: 1e-12,
      dropout: 0.1,
      attentionDropout: 0.1,
      activationDropout: 0,
      layerDrop: 0,
      classifierDropout: 0.1,
      initStd: 0.02,
    });
    expect({ labels, problem, isClassifier, tokens }).toEqual({
      labels: ["LABEL_0", "LABEL_1"],
      problem: "single",
      isClassifier: false,
      tokens: { bos: 0, eos: 2 },
    });
  });

  it("takes a single output for a value, and tells of fields it doesn't know", () => {
    expect(textFromConfig({ ...minimal, num_labels: 1 }).problem).toBe("regression");
    expect(textFromConfig({ ...minimal, num_labels: 1, problem_type: "single_label_classification" }).problem).toBe("single");
    expect(textFromConfig({ ...minimal, image_size: 224 }, "a/config.json").notes).toEqual([
      "a/config.json: image_size is no field of data2vec-text; it has no effect",
    ]);
  });

  it.each([
    [{ model_type: "roberta" }, 'config.json: model_type: expected "data2vec-text", got "roberta"'],
    [{ architectures: ["RobertaModel"] }, 'config.json: architectures: "RobertaModel" is not supported, only Data2VecTextModel'],
    [{ hidden_act: "gelu_new" }, 'config.json: hidden_act: "gelu_new" is not supported'],
    [{ position_embedding_type: "relative_key" }, 'config.json: position_embedding_type: "relative_key" is not supported'],
    [{ is_decoder: true }, "config.json: is_decoder: true is not supported"],
    [{ pruned_heads: { 0: [1] } }, "config.json: pruned_heads"],
    [{ num_attention_heads: 7 }, "config.json: num_attention_heads: 7 is not supported"],
    [{ max_position_embeddings: 2 }, "config.json: max_position_embeddings: 2 is not supported"],
    [{ pad_token_id: null }, "config.json: pad_token_id: null is not supported"],
    [{ pad_token_id: 40000, max_position_embeddings: 50000 }, "config.json: pad_token_id: 40000 is not supported"],
    [{ vocab_size: "many" }, 'config.json: vocab_size: "many" is not supported'],
    [{ id2label: {} }, "config.json: id2label: expected a name for each output, got none"],
    [{ problem_type: "ranking" }, 'config.json: problem_type: "ranking" is not supported'],
    [{ eos_token_id: -1 }, "config.json: eos_token_id: expected an id, got -1"],
  ])("refuses %j", (fields, message) => {
    const json = { ...minimal, ...fields };
    expect(() => textFromConfig(json)).toThrow(message);
    expect(() => textFromConfig(json)).toThrow(CheckpointError);
  });

  it("refuses a regression of several values", async () => {
    const tensors = await readModelTensors(path.join(golden, "hf_text_seqcls_single"));
    const config = { ...(await configOf("hf_text_seqcls_single")), problem_type: "regression" };
    await expect(readTextModel(await folderWith(tensors, config))).rejects.toThrow('"regression" of 3 values is not supported');
  });
});

describe("raw inputs", () => {
  const config = textPresets.finetune.tiny;
  const ids = (rows: number[][]): HostTensor => ({
    dtype: "I64",
    shape: [rows.length, rows[0].length],
    data: BigInt64Array.from(rows.flat(), BigInt),
  });

  it.each<[string, Record<string, HostTensor>, string]>([
    ["no ids", {}, "input_ids is missing"],
    ["another input", { pixel_values: ids([[0]]) }, "pixel_values: expected input_ids, attention_mask, token_type_ids"],
    ["one axis", { input_ids: { dtype: "I64", shape: [2], data: BigInt64Array.of(0n, 2n) } }, "input_ids: expected [batch,time], got [2]"],
    [
      "ids beyond the vocabulary",
      { input_ids: ids([[0, 4096]]) },
      "input_ids[0,1]: expected a token of the vocabulary, below 4096, got 4096",
    ],
    ["negative ids", { input_ids: ids([[0, -1]]) }, "input_ids[0,1]: expected a token of the vocabulary, below 4096, got -1"],
    [
      "token types there are none of",
      { input_ids: ids([[0]]), token_type_ids: ids([[1]]) },
      "token_type_ids[0,0]: expected a token type below 1",
    ],
    ["left padding", { input_ids: ids([[1, 0]]), attention_mask: ids([[0, 1]]) }, "attention_mask[0]: expected ones, then zeros"],
    ["nothing to attend to", { input_ids: ids([[1, 1]]), attention_mask: ids([[0, 0]]) }, 'pad at the right: padding_side="right"'],
    ["a mask of another shape", { input_ids: ids([[0, 2]]), attention_mask: ids([[1]]) }, "attention_mask: expected [1,2], got [1,1]"],
    ["too long a text", { input_ids: ids([new Array(65).fill(5)]) }, "input_ids[0]: expected at most 64 tokens"],
  ])("refuses %s", (_, tensors, message) => {
    expect(() => rawText(new Map(Object.entries(tensors)), config)).toThrow(message);
  });

  it("takes as many tokens as there are positions, padding not counted", () => {
    expect(rawText(new Map([["input_ids", ids([[...new Array(64).fill(5), 1]])]]), config).size).toBe(1);
  });
});
