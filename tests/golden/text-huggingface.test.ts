import { describe, expect, it } from "vitest";
import { readParameters, writeParameters } from "../../src/checkpoint/parameters.js";
import { type HostTensor, toFloat32 } from "../../src/checkpoint/safetensors.js";
import { readTextModel, toHuggingFace } from "../../src/modalities/text/huggingface.js";
import type { TextInput } from "../../src/modalities/text/input.js";
import { loadTextModel } from "../../src/modalities/text/model.js";
import { rawText } from "../../src/modalities/text/raw.js";
import { binaryCrossEntropy } from "../../src/ops/binary-cross-entropy.js";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { regression } from "../../src/ops/regression.js";
import { extract } from "../../src/tasks/extract.js";
import { Model } from "../../src/tasks/model.js";
import type { Device } from "../../src/tensor/device.js";
import { backward, passGrad, record } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";
import { expectGolden, type GoldenCase, goldenCase } from "./golden.js";

const CLASSIFIERS = ["hf_text_seqcls_single", "hf_text_seqcls_multi", "hf_text_seqcls_regression"];

const folderOf = (name: string) => new URL(`./${name}`, import.meta.url).pathname;
const floats = async (tensor: Tensor) => (await tensor.read()) as Float32Array;

async function load(device: Device, name: string) {
  const { config, encoder, head, parameters, task, notes } = await loadTextModel(folderOf(name));
  const model = new Model<TextInput>(device, encoder, head, { trainable: true });
  writeParameters(model.store, parameters);
  return { model, config, task, notes };
}

/** The inputs of a case by Hugging Face's names, only those asked for. */
function inputs(golden: GoldenCase, names = ["input_ids", "attention_mask", "token_type_ids"]): Map<string, HostTensor> {
  return new Map(names.flatMap((name) => (golden.io.has(`input.${name}`) ? [[name, golden.io.get(`input.${name}`)!]] : [])));
}

async function expectGradients(golden: GoldenCase, name: string, model: Model<TextInput>, least: number): Promise<void> {
  model.store.clearFrozen();
  const { model: description } = await readTextModel(folderOf(name));
  const gradients = toHuggingFace(await readParameters(model.store, model.store.gradients!), description);
  const expected = [...golden.io].filter(([key]) => key.startsWith("grad."));
  expect(expected.length).toBe(least);
  for (const [key, tensor] of expected) {
    const ours = gradients.get(key.slice("grad.".length));
    expect(ours, `${key} has no counterpart`).toBeDefined();
    expectGolden(key, ours!.data as Float32Array, tensor, golden.uncertainty(key));
  }
}

describe.each(devices)("Hugging Face's text models on $name", ({ open }) => {
  it("hf_text_model: hidden states with and without an attention mask, and the pooled output", async () => {
    const golden = await goldenCase("hf_text_model");
    using device = open();
    const { model, config } = await load(device, "hf_text_model");
    const run = async (given: Map<string, HostTensor>, prefix: string) => {
      const outputs = await extract(model, rawText(given, config), null);
      const expected = [...golden.io.keys()].filter((key) => key.startsWith(prefix) && outputs.has(key.slice(prefix.length)));
      for (const key of expected) {
        const ours = outputs.get(key.slice(prefix.length))!.data as Float32Array;
        expectGolden(key, ours, golden.io.get(key)!, golden.uncertainty(key));
      }
      return expected.length;
    };
    expect(await run(inputs(golden), "output.")).toBe(6);
    expect(await run(inputs(golden, ["input_ids"]), "output.nomask.")).toBe(5);
  });

  it("hf_text_model: every gradient", async () => {
    const golden = await goldenCase("hf_text_model");
    using device = open();
    const { model, config } = await load(device, "hf_text_model");
    await device.scoped(async () => {
      const { input } = rawText(inputs(golden), config).upload(device);
      const probe = golden.io.get("input.probe")!;
      const { last, pooled } = model.forward(input, { mask: null, train: true });
      const loss = device.empty([1], "sum(last * probe) + sum(pooled)");
      record(loss, [last], () => {
        passGrad(last, device.from(toFloat32(probe), probe.shape));
        passGrad(pooled!, device.from(new Float32Array(pooled!.count).fill(1), pooled!.shape));
      });
      backward(loss);
    });
    await expectGradients(golden, "hf_text_model", model, 55);
  });

  it.each(CLASSIFIERS)("%s: logits, loss and gradients", async (name) => {
    const golden = await goldenCase(name);
    using device = open();
    const { model, config, task } = await load(device, name);
    expect(task).toBe(name.endsWith("regression") ? "regress" : "classify");
    await device.scoped(async () => {
      const { input } = rawText(inputs(golden), config).upload(device);
      const { outputs: logits, pooled } = model.forward(input, { mask: null, train: true });
      expect(pooled).toBeNull();
      const labels = golden.io.get("input.labels")!;
      const [rows, classes] = logits!.shape;
      const single = name.endsWith("single");
      const targets = single
        ? Float32Array.from({ length: rows * classes }, (_, i) => (Number(labels.data[Math.floor(i / classes)]) === i % classes ? 1 : 0))
        : toFloat32(labels);
      device.setScalars({ normalizer: name.endsWith("multi") ? rows * classes : rows });
      const target = device.from(targets, [rows, classes]);
      const every = device.fromIndices(
        Int32Array.from({ length: rows }, (_, row) => row),
        [rows],
      );
      const loss = single
        ? crossEntropy(logits!, target)
        : name.endsWith("multi")
          ? binaryCrossEntropy(logits!, target)
          : regression(logits!, target, every, { beta: 0, scale: 1 });
      backward(loss);
      expectGolden("logits", await floats(logits!), golden.io.get("output.logits")!, golden.uncertainty("output.logits"));
      const value = (await floats(loss)).subarray(0, 1);
      expectGolden("loss", value, golden.io.get("output.loss")!, golden.uncertainty("output.loss"));
    });
    await expectGradients(golden, name, model, name.endsWith("single") ? 57 : 10);
  });
});
