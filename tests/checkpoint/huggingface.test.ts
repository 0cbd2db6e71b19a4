import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/checkpoint/error.js";
import { modelFiles, readModelTensors } from "../../src/checkpoint/huggingface.js";
import {
  elementCount,
  type HostTensor,
  hostTensor,
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../../src/checkpoint/safetensors.js";
import {
  fromHuggingFace,
  readVisionModel,
  toHuggingFace,
  visionTensorRules,
  writeVisionModel,
} from "../../src/modalities/vision/huggingface.js";
import { type VisionModel, visionFromConfig, visionToConfig } from "../../src/modalities/vision/huggingface-config.js";
import { preparationFromConfig, preparationToConfig } from "../../src/modalities/vision/huggingface-preprocessor.js";
import { visionPresets } from "../../src/modalities/vision/presets.js";

const golden = path.join(import.meta.dirname, "../golden");
const folders = ["model_shared", "model_perlayer", "model_both", "model_abspos", "model_eps", "imgcls_single", "imgcls_multi"].map(
  (name) => `hf_vision_${name}`,
);

const root = { path: "" };
beforeAll(async () => {
  root.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
});
afterAll(() => rm(root.path, { recursive: true }));

let counter = 0;
/** A copy of a golden model folder, with its config changed. */
async function changed(name: string, fields: object): Promise<string> {
  const folder = path.join(root.path, `model${counter++}`);
  await cp(path.join(golden, name), folder, { recursive: true });
  const file = path.join(folder, "config.json");
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...fields }));
  return folder;
}

describe("data2vec-vision folders of Hugging Face", () => {
  it.each(folders)("%s becomes parameters and goes back to the same tensors", async (name) => {
    const folder = path.join(golden, name);
    const { model, parameters } = await readVisionModel(folder);
    const original = await readSafetensors(path.join(folder, "model.safetensors"));
    for (const buffer of [...original.keys()].filter((key) => key.endsWith("relative_position_index"))) original.delete(buffer);
    if (!original.has("embeddings.mask_token")) parameters.delete("maskToken");
    expect(new Map([...toHuggingFace(parameters, model)].sort())).toEqual(new Map([...original].sort()));
  });

  it.each(folders)("%s keeps every field of the configuration that means something", async (name) => {
    const config = JSON.parse(await readFile(path.join(golden, name, "config.json"), "utf8"));
    const { isClassifier, labels, notes, ...described } = visionFromConfig(config);
    const written = visionToConfig({ ...described, labels: isClassifier ? labels : null }, { maskToken: config.use_mask_token });
    expect(notes).toEqual([]);
    expect({ ...config, ...written, torch_dtype: null }).toEqual(config);
  });

  it("puts query, key and value one after the other, with no bias for the key", async () => {
    const folder = path.join(golden, "hf_vision_model_shared");
    const { parameters } = await readVisionModel(folder);
    const theirs = await readSafetensors(path.join(folder, "model.safetensors"));
    const weight = parameters.get("transformer.blocks.1.attention.qkv.weight")!;
    const bias = parameters.get("transformer.blocks.1.attention.qkv.bias")!;
    const layer = "encoder.layer.1.attention.attention";
    expect(weight.shape).toEqual([96, 32]);
    for (const [row, part] of ["query", "key", "value"].entries()) {
      expect(weight.data.slice(row * 1024, (row + 1) * 1024)).toEqual(theirs.get(`${layer}.${part}.weight`)!.data);
      expect(bias.data.slice(row * 32, (row + 1) * 32)).toEqual(theirs.get(`${layer}.${part}.bias`)?.data ?? new Float32Array(32));
    }
    expect(parameters.get("patchEmbed.weight")!.shape).toEqual([32, 192]);
    expect(parameters.get("positions")).toBeUndefined();
    expect(parameters.get("relativePosition.table")!.shape).toEqual([52, 4]);
  });

  it("takes a classifier's body with or without the prefix", async () => {
    const folder = path.join(golden, "hf_vision_imgcls_single");
    const { model, parameters } = await readVisionModel(folder);
    const plain = new Map([...(await readModelTensors(folder))].map(([name, tensor]) => [name.replace("data2vec_vision.", ""), tensor]));
    expect(fromHuggingFace(plain, model).parameters).toEqual(parameters);
    plain.set("data2vec_vision.embeddings.cls_token", plain.get("embeddings.cls_token")!);
    expect(() => fromHuggingFace(plain, model)).toThrow(/embeddings.cls_token is there with and without the prefix/);
  });

  it("starts a missing mask token at zero and says so", async () => {
    const { parameters, notes } = await readVisionModel(path.join(golden, "hf_vision_model_abspos"));
    expect(parameters.get("maskToken")).toEqual(hostTensor([1, 32], new Float32Array(32)));
    expect(notes).toEqual([expect.stringMatching(/there is no embeddings.mask_token; it starts at zero$/)]);
  });

  it("reads 16-bit weights, and weights in parts", async () => {
    const folder = await changed("hf_vision_model_abspos", {});
    const original = await readVisionModel(folder);
    const tensors = [...(await readModelTensors(folder))];
    const halves = tensors.map(([name, tensor]): [string, HostTensor] => {
      const bits = new Uint32Array(toFloat32(tensor).slice().buffer);
      return [name, { dtype: "BF16", shape: tensor.shape, data: Uint16Array.from(bits, (word) => word >>> 16) }];
    });
    const split = [halves.slice(0, 10), halves.slice(10)];
    await rm(path.join(folder, "model.safetensors"));
    const map: Record<string, string> = {};
    for (const [i, part] of split.entries()) {
      await writeSafetensors(path.join(folder, `part-${i}.safetensors`), new Map(part));
      for (const [name] of part) map[name] = `part-${i}.safetensors`;
    }
    await writeFile(path.join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    const { parameters } = await readVisionModel(folder);
    const [ours, exact] = [parameters, original.parameters].map((all) => all.get("transformer.blocks.0.ffn.up.weight")!.data[17] as number);
    expect(Math.abs(ours - exact)).toBeLessThan(Math.abs(exact) / 128);
    await writeSafetensors(path.join(folder, "part-1.safetensors"), new Map(halves.slice(9)));
    await expect(readVisionModel(folder)).rejects.toThrow(/is in another part of the model as well/);
  });

  it("lists the parts of an index, and none outside the folder", async () => {
    const folder = await mkdtemp(path.join(root.path, "index"));
    const index = (map: unknown) => writeFile(path.join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    await index({ a: "model-1.safetensors", b: "model-2.safetensors", c: "model-1.safetensors" });
    expect(await modelFiles(folder)).toEqual([path.join(folder, "model-1.safetensors"), path.join(folder, "model-2.safetensors")]);
    for (const part of ["../x.safetensors", "/etc/passwd", "..", 7]) {
      await index({ a: part });
      await expect(modelFiles(folder)).rejects.toThrow(/is no name of a file in this folder/);
    }
    await index({});
    await expect(modelFiles(folder)).rejects.toThrow(/weight_map is missing or empty/);
  });
});

describe("tensors that don't fit", () => {
  const load = async () => {
    const folder = path.join(golden, "hf_vision_model_shared");
    const { model } = await readVisionModel(folder);
    return { model, tensors: await readModelTensors(folder) };
  };

  it("are listed: missing, unexpected, of another shape", async () => {
    const { model, tensors } = await load();
    tensors.delete("encoder.layer.0.lambda_1");
    tensors.set("lm_head.weight", hostTensor([1], Float32Array.of(1)));
    tensors.set("encoder.layer.1.lambda_2", hostTensor([16, 2], new Float32Array(32)));
    tensors.set("decode_head.norm.num_batches_tracked", { dtype: "I64", shape: [], data: BigInt64Array.of(1n) });
    const error = (() => {
      try {
        return fromHuggingFace(tensors, model, "some/folder");
      } catch (reason) {
        return reason;
      }
    })() as CheckpointError;
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toBe(
      [
        "some/folder: the tensors are not those of the model in config.json",
        "  missing: encoder.layer.0.lambda_1",
        "  unexpected: lm_head.weight",
        "  encoder.layer.1.lambda_2: expected [32], got [16,2]",
      ].join("\n"),
    );
  });

  it("are cut short when there are many", async () => {
    const { model } = await load();
    expect(() => fromHuggingFace(new Map(), model)).toThrow(/( {2}missing: .*\n){8} {2}missing: … and 47 more$/);
  });

  it("of an integer type are refused", async () => {
    const { model, tensors } = await load();
    tensors.set("embeddings.cls_token", { dtype: "I32", shape: [1, 1, 32], data: new Int32Array(32) });
    expect(() => fromHuggingFace(tensors, model)).toThrow("embeddings.cls_token: expected a floating-point tensor, got I32");
  });

  it("can't be written: a bias of the key, an unknown, a missing or a misshaped parameter", async () => {
    const { model, parameters } = await readVisionModel(path.join(golden, "hf_vision_model_shared"));
    const bias = parameters.get("transformer.blocks.0.attention.qkv.bias")!;
    const attempt = (name: string, tensor: HostTensor | null) => {
      const copy = new Map(parameters);
      if (tensor) copy.set(name, tensor);
      else copy.delete(name);
      return () => toHuggingFace(copy, model);
    };
    const withKey = toFloat32(bias).slice();
    withKey[40] = 0.5;
    expect(attempt("transformer.blocks.0.attention.qkv.bias", hostTensor([96], withKey))).toThrow(/qkv.bias: element 40 is 0.5, which/);
    expect(attempt("head.weight", hostTensor([1], Float32Array.of(1)))).toThrow("head.weight has no place in the Hugging Face layout");
    expect(attempt("clsToken", null)).toThrow("the parameter clsToken is missing");
    expect(attempt("clsToken", hostTensor([32], new Float32Array(32)))).toThrow("clsToken: expected [1,32], got [32]");
    expect(attempt("maskToken", null)().has("embeddings.mask_token")).toBe(false);
  });
});

describe("names and sizes of the released models", () => {
  const network = visionPresets.pretrain.base.model;
  const model = (fields: object, meanPooling: boolean, classes: number | null): VisionModel => {
    const { relativePositionBias, ...rest } = { ...visionFromConfig({ model_type: "data2vec-vision" }).model, ...fields };
    return {
      model: { ...rest, relativePositionBias: classes === null ? "shared" : "perBlock" },
      meanPooling,
      labels: classes === null ? null : Array.from({ length: classes }, (_, id) => `${id}`),
      problemType: "single",
    };
  };
  const count = (described: VisionModel) => visionTensorRules(described).reduce((sum, { theirShape }) => sum + elementCount(theirShape), 0);

  it.each([
    ["Data2VecVisionModel", model({}, false, null), 85_666_128],
    ["Data2VecVisionForImageClassification", model({}, true, 1000), 86_530_984],
  ])("%s", async (name, described, parameters) => {
    const text = await readFile(path.join(golden, "hf_vision_names.txt"), "utf8");
    const section = text.split("## ").find((part) => part.startsWith(`${name} `))!;
    const lines = [...section.matchAll(/^ +(\S+) \(([\d, ]*)\) x(\d+)$/gm)];
    const theirs = lines.flatMap(([, pattern, shape, times]) =>
      Array.from({ length: Number(times) }, (_, i) => [
        pattern.replace("{i}", String(i)).replace("data2vec_vision.", ""),
        shape.split(",").filter(Boolean).map(Number),
      ]),
    );
    const rules = visionTensorRules(described).filter(({ missing }) => missing !== "zero" || name === "Data2VecVisionModel");
    expect(rules.map(({ theirs: tensor, theirShape }) => [tensor, theirShape]).sort()).toEqual(theirs.sort());
    expect(rules.reduce((sum, { theirShape }) => sum + elementCount(theirShape), 0)).toBe(parameters);
  });

  it("ViT-L", () => {
    const large = { dim: 1024, depth: 24, heads: 16 };
    expect(count(model(large, false, null)) - 1024).toBe(303_136_192);
    expect(count(model(large, true, 1000)) - 1024).toBe(304_430_568);
    expect(network.dim * network.mlpRatio).toBe(3072);
  });
});

describe("config.json", () => {
  const minimal = { model_type: "data2vec-vision" };

  it("has the defaults of Hugging Face's class where it is silent", () => {
    const { model, meanPooling, labels, problemType, isClassifier } = visionFromConfig(minimal);
    expect(model).toEqual({
      imageSize: 224,
      patchSize: 16,
      channels: 3,
      dim: 768,
      depth: 12,
      heads: 12,
      mlpRatio: 4,
      layerNormEps: 1e-12,
      layerScale: 0.1,
      relativePositionBias: "none",
      absolutePositions: false,
      dropPath: 0.1,
      attentionDropout: 0,
      dropout: 0,
      initStd: 0.02,
    });
    expect([meanPooling, labels, problemType, isClassifier]).toEqual([true, ["LABEL_0", "LABEL_1"], "single", false]);
  });

  it("notes what it doesn't know", () => {
    expect(visionFromConfig({ ...minimal, vocab_size: 8192 }, "a/config.json").notes).toEqual([
      "a/config.json: vocab_size is no field of data2vec-vision; it has no effect",
    ]);
  });

  it.each([
    [[], "config.json: expected a JSON object"],
    [{}, 'config.json: model_type: expected "data2vec-vision", got undefined'],
    [{ model_type: "beit" }, 'config.json: model_type: expected "data2vec-vision", got "beit"'],
    [
      { ...minimal, architectures: ["Data2VecVisionForSemanticSegmentation"] },
      /architectures: "Data2VecVisionForSemanticSegmentation" is not supported/,
    ],
    [{ ...minimal, hidden_act: "relu" }, 'config.json: hidden_act: "relu" is not supported'],
    [{ ...minimal, hidden_act: "gelu_new" }, 'config.json: hidden_act: "gelu_new" is not supported'],
    [{ ...minimal, pruned_heads: { 0: [1] } }, /pruned_heads: .* is not supported/],
    [{ ...minimal, quantization_config: {} }, /quantization_config: {} is not supported/],
    [{ ...minimal, is_decoder: true }, /is_decoder: true is not supported/],
    [{ ...minimal, hidden_size: 100 }, /num_attention_heads: 12 is not supported: 12 doesn't divide model.dim \(100\)/],
    [{ ...minimal, hidden_size: "768" }, /hidden_size: "768" is not supported|intermediate_size/],
    [{ ...minimal, hidden_size: 0 }, /(hidden_size: 0|intermediate_size: 3072) is not supported/],
    [{ ...minimal, num_hidden_layers: 1.5 }, /num_hidden_layers: 1.5 is not supported/],
    [{ ...minimal, image_size: [224, 192] }, /image_size: \[224,192\] is not supported/],
    [{ ...minimal, patch_size: 15 }, /patch_size: 15 is not supported: 15 doesn't divide model.imageSize/],
    [{ ...minimal, layer_norm_eps: null }, /layer_norm_eps: null is not supported/],
    [{ ...minimal, use_mean_pooling: "yes" }, 'config.json: use_mean_pooling: expected true or false, got "yes"'],
    [{ ...minimal, problem_type: "regression" }, 'config.json: problem_type: "regression" is not supported'],
    [{ ...minimal, id2label: { 0: "a", 2: "b" } }, "config.json: id2label: expected names for 0 to 1, got none for 1"],
    [{ ...minimal, id2label: { 0: "a" }, num_labels: 3 }, "config.json: num_labels: 3, but id2label names 1"],
  ])("%j is refused", (json, message) => {
    expect(() => visionFromConfig(json)).toThrow(message);
    expect(() => visionFromConfig(json)).toThrow(CheckpointError);
  });

  it("without architectures, the tensors show whether there is a classifier", async () => {
    const folder = await changed("hf_vision_imgcls_single", { architectures: null });
    expect((await readVisionModel(folder)).model.labels).toHaveLength(7);
    const wrong = await changed("hf_vision_imgcls_single", { id2label: { 0: "a", 1: "b" } });
    await expect(readVisionModel(wrong)).rejects.toThrow(/classifier.weight: expected \[2,32\], got \[7,32\]/);
    const pretended = await changed("hf_vision_model_shared", { architectures: ["Data2VecVisionForImageClassification"] });
    await expect(readVisionModel(pretended)).rejects.toThrow(/missing: classifier.weight\n {2}missing: classifier.bias/);
  });
});

describe("a model folder of ours", () => {
  it("comes back as it was written", async () => {
    const { model, parameters } = await readVisionModel(path.join(golden, "hf_vision_imgcls_multi"));
    const folder = path.join(root.path, "ours");
    const { mean, std, interpolation, evaluationCrop } = visionPresets.finetune.base.data;
    await writeVisionModel(folder, parameters, model, { mean, std, interpolation, evaluationCrop });
    const read = await readVisionModel(folder);
    expect(read.model).toEqual(model);
    expect(read.parameters).toEqual(parameters);
    expect(read.preparation).toEqual({ mean, std, interpolation, evaluationCrop: 32 / 37, notes: expect.anything() });
  });
});

describe("preprocessor_config.json", () => {
  const network = visionPresets.pretrain.base.model;

  it("gives each channel its number, and the crop as two sizes", () => {
    const data = { mean: [0.286], std: [0.353], interpolation: "bilinear" as const, evaluationCrop: 0.875 };
    expect(preparationToConfig(data, network)).toEqual({
      image_processor_type: "BeitImageProcessor",
      do_resize: true,
      size: { height: 256, width: 256 },
      resample: 2,
      do_center_crop: true,
      crop_size: { height: 224, width: 224 },
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: true,
      image_mean: [0.286, 0.286, 0.286],
      image_std: [0.353, 0.353, 0.353],
      do_reduce_labels: false,
    });
  });

  it("is read in the form of the released models and with the class's defaults", () => {
    const released = {
      crop_size: 224,
      do_center_crop: false,
      do_normalize: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      resample: 2,
      size: 224,
    };
    expect(preparationFromConfig(released, network)).toMatchObject({ mean: [0.5, 0.5, 0.5], interpolation: "bilinear", evaluationCrop: 1 });
    expect(preparationFromConfig({}, network)).toMatchObject({
      mean: [0.5],
      std: [0.5],
      interpolation: "bicubic",
      evaluationCrop: 224 / 256,
    });
    expect(preparationFromConfig({ do_normalize: false }, network)).toMatchObject({ mean: [0], std: [1] });
  });

  it.each([
    [{ do_resize: false }, "do_resize: false is not supported"],
    [{ resample: 0 }, "resample: 0 is not supported, only 2 (bilinear) and 3 (bicubic)"],
    [{ rescale_factor: 1 }, "rescale_factor: 1 is not supported, only 1/255"],
    [{ size: { height: 224, width: 256 } }, "is no square size"],
    [{ crop_size: 196 }, "crop_size: 196 doesn't fit the model's images of 224 x 224"],
    [{ size: 200 }, "size: 200 is smaller than crop_size (224)"],
    [{ image_mean: [0.5, 0.5] }, "image_mean: [0.5,0.5] is not 1 or 3 numbers"],
    [{ image_std: 0 }, "image_std: 0 is not above 0"],
    [null, "expected a JSON object"],
  ])("%j is refused", (json, message) => {
    expect(() => preparationFromConfig(json, network)).toThrow(message);
  });
});
