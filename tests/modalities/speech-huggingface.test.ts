import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/checkpoint/error.js";
import { readModelTensors } from "../../src/checkpoint/huggingface.js";
import { elementCount, hostTensor, readSafetensors, type writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { PUBLISHED_VOCABULARY } from "../../src/data/audio/vocabulary.js";
import {
  fromHuggingFace,
  readSpeechModel,
  speechTensorRules,
  toHuggingFace,
  writeSpeechModel,
} from "../../src/modalities/speech/huggingface.js";
import { type SpeechModel, speechFromConfig, speechToConfig } from "../../src/modalities/speech/huggingface-config.js";
import { clipPreparationFromConfig, clipPreparationToConfig } from "../../src/modalities/speech/huggingface-preprocessor.js";
import { speechPresets } from "../../src/modalities/speech/presets.js";
import { rawClips } from "../../src/modalities/speech/raw.js";

const golden = path.join(import.meta.dirname, "../golden");
const folders = ["hf_audio_model", "hf_audio_ctc", "hf_audio_seqcls"];
const preset = speechPresets.finetune.base;

const root = { path: "" };
beforeAll(async () => {
  root.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
});
afterAll(() => rm(root.path, { recursive: true }));

let counter = 0;
/** A copy of a golden model folder with its config changed, and files added. */
async function changed(name: string, fields: object, files: Record<string, object> = {}): Promise<string> {
  const folder = path.join(root.path, `model${counter++}`);
  await cp(path.join(golden, name), folder, { recursive: true });
  const file = path.join(folder, "config.json");
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...fields }));
  for (const [other, value] of Object.entries(files)) await writeFile(path.join(folder, other), JSON.stringify(value));
  return folder;
}

/** Ids of the published symbols. */
const symbolIds = Object.fromEntries(PUBLISHED_VOCABULARY.symbols.map((symbol, id) => [symbol, id]));

describe("data2vec-audio folders of Hugging Face", () => {
  it.each(folders)("%s becomes parameters and goes back to the same tensors", async (name) => {
    const folder = path.join(golden, name);
    const { model, parameters } = await readSpeechModel(folder);
    const original = await readSafetensors(path.join(folder, "model.safetensors"));
    const written = toHuggingFace(parameters, model);
    // What models without masking lack is zero here.
    if (name !== "hf_audio_model") expect(written.delete("data2vec_audio.masked_spec_embed")).toBe(true);
    expect(new Map([...written].sort())).toEqual(new Map([...original].sort()));
  });

  it.each(folders)("%s keeps every field of the configuration that means something", async (name) => {
    const config = JSON.parse(await readFile(path.join(golden, name, "config.json"), "utf8"));
    const { model, task, labels, symbols, blank, notes } = speechFromConfig(config);
    expect([notes, symbols, blank]).toEqual([[], 32, 0]);
    const outputs = task === "ctc" ? [...PUBLISHED_VOCABULARY.symbols] : task === "classify" ? labels : null;
    const masks = { maskProb: config.mask_time_prob, maskLength: 10, maskMinMasks: 2, channelMaskProb: 0, channelMaskLength: 10 };
    const written = speechToConfig({ model, task, outputs }, masks);
    expect({ ...config, ...written, torch_dtype: null, ctc_zero_infinity: false }).toEqual(config);
  });

  it("has the kernel before the channels, and queries, keys and values together", async () => {
    const folder = path.join(golden, "hf_audio_model");
    const { parameters } = await readSpeechModel(folder);
    const theirs = await readModelTensors(folder);
    const conv = theirs.get("feature_extractor.conv_layers.1.conv.weight")!;
    const ours = parameters.get("featureExtractor.layers.1.conv.weight")!;
    expect([conv.shape, ours.shape]).toEqual([
      [16, 16, 3],
      [16, 3, 16],
    ]);
    expect(ours.data[(2 * 3 + 1) * 16 + 5]).toBe(conv.data[(2 * 16 + 5) * 3 + 1]);
    const bias = parameters.get("transformer.blocks.1.attention.qkv.bias")!.data;
    for (const [row, part] of ["q", "k", "v"].entries()) {
      const expected = theirs.get(`encoder.layers.1.attention.${part}_proj.bias`)!.data;
      expect(bias.slice(row * 32, (row + 1) * 32)).toEqual(expected);
    }
  });

  it("starts a missing mask vector at zero, and says so of a body", async () => {
    const folder = path.join(golden, "hf_audio_model");
    const { model } = await readSpeechModel(folder);
    const tensors = await readModelTensors(folder);
    tensors.delete("masked_spec_embed");
    const { parameters, notes } = fromHuggingFace(tensors, model);
    expect(parameters.get("maskToken")).toEqual(hostTensor([32], new Float32Array(32)));
    expect(notes).toEqual(["model: there is no masked_spec_embed; it starts at zero"]);
  });

  it("refuses tensors that don't fit", async () => {
    const { model } = await readSpeechModel(path.join(golden, "hf_audio_model"));
    const tensors = await readModelTensors(path.join(golden, "hf_audio_model"));
    tensors.set("encoder.pos_conv_embed.layers.0.conv.weight", hostTensor([32, 19, 8], new Float32Array(32 * 19 * 8)));
    tensors.set("adapter.layers.0.conv.weight", hostTensor([1], Float32Array.of(1)));
    expect(() => fromHuggingFace(tensors, model)).toThrow(
      /unexpected: adapter.layers.0.conv.weight\n {2}encoder.pos_conv_embed.layers.0.conv.weight: expected \[32,8,19\], got \[32,19,8\]/,
    );
  });

  it("without architectures, the tensors show what the model is for", async () => {
    const tasks = await Promise.all(
      folders.map(async (name) => (await readSpeechModel(await changed(name, { architectures: null }))).model.task),
    );
    expect(tasks).toEqual([null, "ctc", "classify"]);
  });
});

describe("names and sizes of the released models", () => {
  const { model } = speechFromConfig({ model_type: "data2vec-audio" });
  const names = (count: number) => Array.from({ length: count }, (_, id) => `${id}`);

  it.each<[string, SpeechModel, number]>([
    ["Data2VecAudioModel", { model, task: null, outputs: null }, 93_164_288],
    ["Data2VecAudioForCTC", { model, task: "ctc", outputs: names(32) }, 93_188_896],
    ["Data2VecAudioForSequenceClassification", { model, task: "classify", outputs: names(2) }, 93_361_666],
  ])("%s", async (name, described, parameters) => {
    const text = await readFile(path.join(golden, "hf_audio_names.txt"), "utf8");
    const section = text.split("## ").find((part) => part.startsWith(`${name} `))!;
    const lines = [...section.matchAll(/^ +(\S+) \(([\d, ]*)\) x(\d+)$/gm)];
    const theirs = lines.flatMap(([, pattern, shape, times]) =>
      Array.from({ length: Number(times) }, (_, i) => [
        pattern.replace("{i}", String(i)).replace("data2vec_audio.", ""),
        shape.split(",").filter(Boolean).map(Number),
      ]),
    );
    const rules = speechTensorRules(described);
    expect(rules.map(({ theirs: tensor, theirShape }) => [tensor, theirShape]).sort()).toEqual(theirs.sort());
    expect(rules.reduce((sum, { theirShape }) => sum + elementCount(theirShape), 0)).toBe(parameters);
  });
});

describe("config.json", () => {
  const minimal = { model_type: "data2vec-audio" };

  it("has the defaults of Hugging Face's class where it is silent", () => {
    const { model } = speechFromConfig(minimal);
    const { maskProb: _, ...base } = speechPresets.pretrain.base.model;
    expect(base).toMatchObject({ ...model, activationDropout: 0, finalDropout: 0, layerDrop: 0.05 });
    expect([model.activationDropout, model.finalDropout, model.layerDrop]).toEqual([0.1, 0.1, 0.1]);
  });

  it("notes what it doesn't know", () => {
    expect(speechFromConfig({ ...minimal, codevector_dim: 256 }, "a/config.json").notes).toEqual([
      "a/config.json: codevector_dim is no field of data2vec-audio; it has no effect",
    ]);
  });

  it("keeps positions that padding doesn't leak into, in a field of ours", () => {
    const { model } = speechFromConfig({ ...minimal, padded_positions: "masked" });
    expect(model.paddedPositions).toBe("masked");
    const write = (paddedPositions: "leak" | "masked") =>
      speechToConfig({ model: { ...model, paddedPositions }, task: null, outputs: null }, preset.model);
    expect(write("masked")).toHaveProperty("padded_positions", "masked");
    expect(write("leak")).not.toHaveProperty("padded_positions");
  });

  it.each([
    [[], "config.json: expected a JSON object"],
    [{}, 'config.json: model_type: expected "data2vec-audio", got undefined'],
    [{ model_type: "wav2vec2" }, 'config.json: model_type: expected "data2vec-audio", got "wav2vec2"'],
    [{ ...minimal, architectures: ["Data2VecAudioForXVector"] }, /architectures: "Data2VecAudioForXVector" is not supported, only/],
    [{ ...minimal, architectures: ["toString"] }, /architectures: "toString" is not supported/],
    [{ ...minimal, add_adapter: true }, "config.json: add_adapter: true is not supported"],
    [{ ...minimal, use_weighted_layer_sum: true }, "config.json: use_weighted_layer_sum: true is not supported"],
    [{ ...minimal, hidden_act: "relu" }, 'config.json: hidden_act: "relu" is not supported'],
    [{ ...minimal, feat_extract_activation: "gelu_new" }, /feat_extract_activation: "gelu_new" is not supported/],
    [{ ...minimal, conv_pos_kernel_size: 128 }, /conv_pos_kernel_size: 128 is not supported: expected an odd number/],
    [{ ...minimal, conv_stride: [5, 2] }, /conv_stride: \[5,2\] is not supported: expected 7 numbers as in model.convDims/],
    [{ ...minimal, conv_dim: "512" }, /conv_dim: "512" is not supported/],
    [{ ...minimal, num_feat_extract_layers: 6 }, "config.json: num_feat_extract_layers: 6, but conv_dim has 7 numbers"],
    [{ ...minimal, num_conv_pos_embedding_groups: 7 }, /num_conv_pos_embedding_groups: 7 is not supported: 7 doesn't divide/],
    [{ ...minimal, vocab_size: 0 }, "config.json: vocab_size: 0 is no number of symbols"],
    [{ ...minimal, pad_token_id: "x" }, 'config.json: pad_token_id: "x" is no id of a symbol'],
    [{ ...minimal, id2label: { 0: "a", 2: "b" } }, "config.json: id2label: expected names for 0 to 1, got none for 1"],
  ])("%j is refused", (json, message) => {
    expect(() => speechFromConfig(json)).toThrow(message);
    expect(() => speechFromConfig(json)).toThrow(CheckpointError);
  });
});

describe("symbols of a model for ctc", () => {
  it("come from vocab.json; added ones that the model doesn't know are left out", async () => {
    const folder = await changed("hf_audio_ctc", {}, { "vocab.json": { ...symbolIds, "<extra>": 32 } });
    const { model, notes } = await readSpeechModel(folder);
    expect(model.outputs).toEqual(PUBLISHED_VOCABULARY.symbols);
    expect(notes).toEqual([]);
  });

  it("have no text without it", async () => {
    const { model, notes } = await readSpeechModel(path.join(golden, "hf_audio_ctc"));
    expect(model.outputs?.slice(0, 2)).toEqual(["<pad>", "<1>"]);
    expect(notes).toEqual([expect.stringMatching(/there is no vocab.json; the model's 32 symbols have no text$/)]);
  });

  it("may have the blank elsewhere", async () => {
    const moved = { ...symbolIds, "<pad>": undefined, Z: 0, "[PAD]": 31 };
    const { model } = await readSpeechModel(await changed("hf_audio_ctc", { pad_token_id: 31 }, { "vocab.json": moved }));
    expect([model.outputs![0], model.outputs![31]]).toEqual(["Z", "[PAD]"]);
    expect(speechToConfig(model, preset.model)).toMatchObject({ pad_token_id: 31, vocab_size: 32 });
  });

  it.each<[string, object, object, object, RegExp]>([
    ["a missing id", {}, { ...symbolIds, Z: 40 }, {}, /vocab.json: no symbol has the id 31, and the model has 32$/],
    ["an id twice", {}, { ...symbolIds, Q: 31 }, {}, /vocab.json: "Z" and "Q" are both 31$/],
    ["a vocabulary by language", {}, { eng: symbolIds }, {}, /vocab.json: "eng": .* is no id\nvocabularies by language/],
    [
      "another blank",
      { pad_token_id: 3 },
      symbolIds,
      {},
      /vocab.json: expected <pad> or \[PAD\] for pad_token_id 3, the blank, got "<unk>"$/,
    ],
    ["another boundary", {}, symbolIds, { word_delimiter_token: "_" }, /tokenizer_config.json: word_delimiter_token: "_" is not supported/],
  ])("with %s are refused", async (_, config, vocabulary, settings, message) => {
    const folder = await changed("hf_audio_ctc", config, { "vocab.json": vocabulary, "tokenizer_config.json": settings });
    await expect(readSpeechModel(folder)).rejects.toThrow(message);
    await expect(readSpeechModel(folder)).rejects.toThrow(CheckpointError);
  });
});

describe("a model folder of ours", () => {
  it.each(folders)("comes back as it was written: %s", async (name) => {
    const { model, parameters } = await readSpeechModel(path.join(golden, name));
    if (model.task === "ctc") model.outputs = [...PUBLISHED_VOCABULARY.symbols];
    const folder = path.join(root.path, `ours-${name}`);
    await writeSpeechModel(folder, parameters, model, { model: preset.model, data: { ...preset.data, normalize: false } });
    const read = await readSpeechModel(folder);
    expect(read.model).toEqual(model);
    expect(read.parameters).toEqual(parameters);
    expect(read.preparation).toEqual({ normalize: false, notes: [] });
    expect(read.notes).toEqual([]);
    const text = await readFile(path.join(folder, "config.json"), "utf8");
    expect(text).toContain('"mask_feature_prob": 0.5');
    expect(text).toContain('"feat_proj_dropout": 0.0');
  });

  it("has the tokenizer's files", async () => {
    const { model, parameters } = await readSpeechModel(path.join(golden, "hf_audio_ctc"));
    const folder = path.join(root.path, "tokenizer");
    await writeSpeechModel(folder, parameters, { ...model, outputs: [...PUBLISHED_VOCABULARY.symbols] }, preset);
    const json = async (file: string) => JSON.parse(await readFile(path.join(folder, file), "utf8"));
    expect(await json("vocab.json")).toEqual(symbolIds);
    expect(await json("tokenizer_config.json")).toMatchObject({
      tokenizer_class: "Wav2Vec2CTCTokenizer",
      pad_token: "<pad>",
      unk_token: "<unk>",
    });
    expect(await json("preprocessor_config.json")).toMatchObject({ processor_class: "Wav2Vec2Processor", sampling_rate: 16000 });
    expect(await json("config.json")).toMatchObject({ vocab_size: 32, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 });
  });
});

describe("preprocessor_config.json", () => {
  it("comes back as it was written", () => {
    for (const normalize of [true, false]) {
      expect(clipPreparationFromConfig(clipPreparationToConfig({ normalize }))).toEqual({ normalize, notes: [] });
    }
  });

  it("tells where Hugging Face would show a model its padding", () => {
    expect(clipPreparationFromConfig({}, "p.json").notes).toEqual([
      expect.stringMatching(/^p.json: the padding of shorter clips is masked here/),
    ]);
  });

  it.each([
    [[], "p.json: expected a JSON object"],
    [{ sampling_rate: 8000 }, "p.json: sampling_rate: 8000 is not supported, only 16000"],
    [{ feature_size: 80 }, "p.json: feature_size: 80 is not supported, only 1"],
    [{ padding_value: 1 }, "p.json: padding_value: 1 is not supported, only 0"],
    [{ feature_extractor_type: "WhisperFeatureExtractor" }, /feature_extractor_type: "WhisperFeatureExtractor" is not supported/],
    [{ do_normalize: "no" }, 'p.json: do_normalize: expected true or false, got "no"'],
  ])("%j is refused", (json, message) => {
    expect(() => clipPreparationFromConfig(json, "p.json")).toThrow(message);
  });
});

describe("raw inputs", () => {
  const values = hostTensor([2, 800], new Float32Array(1600));
  const mask = (...counts: number[]) => {
    const data = new BigInt64Array(1600);
    for (const [row, count] of counts.entries()) data.fill(1n, row * 800, row * 800 + count);
    return { dtype: "I64" as const, shape: [2, 800], data };
  };
  const read = (tensors: Record<string, Parameters<typeof writeSafetensors>[1] extends ReadonlyMap<string, infer T> ? T : never>) =>
    rawClips(new Map(Object.entries(tensors)) as never, preset);

  it("are refused where they don't fit", () => {
    const before = mask(800, 800);
    before.data[3] = 0n;
    expect(() => read({ input_values: values, attention_mask: before })).toThrow(
      "attention_mask: clip 0 has padding before its end; expected all padding behind the clip",
    );
    expect(() => read({ input_values: values, attention_mask: mask(800, 399) })).toThrow(
      "input_values: clip 1 has 399 samples, fewer than a frame needs",
    );
    expect(() => read({ input_values: values, attention_mask: { ...mask(), shape: [1, 1600] } })).toThrow(
      "attention_mask: expected [2,800], got [1,1600]",
    );
    expect(() => read({ input_values: values, mask_time_indices: hostTensor([2, 3], new Float32Array(6)) })).toThrow(
      "mask_time_indices: expected [2,2], got [2,3]",
    );
    expect(() => read({ input_values: hostTensor([1600], new Float32Array(1600)) })).toThrow(
      "input_values: expected [batch,samples], got [1600]",
    );
    expect(() => read({ pixel_values: values })).toThrow("pixel_values: expected input_values, attention_mask, mask_time_indices");
    expect(() => read({})).toThrow("input_values is missing");
  });
});
