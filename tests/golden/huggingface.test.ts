import { describe, expect, it } from "vitest";
import { readParameters, writeParameters } from "../../src/checkpoint/parameters.js";
import { type HostTensor, toFloat32 } from "../../src/checkpoint/safetensors.js";
import { readVisionModel, toHuggingFace } from "../../src/modalities/vision/huggingface.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { binaryCrossEntropy } from "../../src/ops/binary-cross-entropy.js";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { extract } from "../../src/tasks/extract.js";
import { loadModel } from "../../src/tasks/load-model.js";
import { Model } from "../../src/tasks/model.js";
import { backward, passGrad, record } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";
import { expectGolden, type GoldenCase, goldenCase } from "./golden.js";

const MODELS = ["shared", "perlayer", "both", "abspos", "eps"].map((name) => `hf_vision_model_${name}`);
const CLASSIFIERS = ["hf_vision_imgcls_single", "hf_vision_imgcls_multi"];

const folderOf = (name: string) => new URL(`./${name}`, import.meta.url).pathname;

/** A model of the case's folder that can be trained. */
async function trainable(device: ReturnType<(typeof devices)[number]["open"]>, name: string) {
  const { encoder, head, parameters } = await vision.loadModel(folderOf(name));
  const model = new Model<Tensor>(device, encoder, head, { trainable: true });
  writeParameters(model.store, parameters);
  return model;
}

async function expectGradients(golden: GoldenCase, name: string, model: Model<Tensor>): Promise<void> {
  model.store.clearFrozen();
  const { model: description } = await readVisionModel(folderOf(name));
  const gradients = toHuggingFace(await readParameters(model.store, model.store.gradients!), description);
  const expected = [...golden.io].filter(([key]) => key.startsWith("grad."));
  expect(expected.length).toBeGreaterThan(9);
  for (const [key, tensor] of expected) {
    const ours = gradients.get(key.slice("grad.".length));
    expect(ours, `${key} has no counterpart`).toBeDefined();
    expectGolden(key, ours!.data as Float32Array, tensor, golden.uncertainty(key));
  }
}

describe.each(devices)("Hugging Face's models on $name", ({ open }) => {
  it.each(MODELS)("%s: hidden states and pooled output", async (name) => {
    const golden = await goldenCase(name);
    using device = open();
    const { model, config } = await loadModel(device, vision, folderOf(name));
    const pixels = golden.io.get("input.pixel_values")!;
    const run = async (inputs: Map<string, HostTensor>, prefix: string) => {
      const outputs = await extract(model, vision.rawInputs(inputs, config), null);
      const expected = [...golden.io.keys()].filter((key) => key.startsWith(prefix) && outputs.has(key.slice(prefix.length)));
      for (const key of expected) {
        const ours = outputs.get(key.slice(prefix.length))!.data as Float32Array;
        expectGolden(key, ours, golden.io.get(key)!, golden.uncertainty(key));
      }
      return expected.length;
    };
    expect(await run(new Map([["pixel_values", pixels]]), "output.")).toBeGreaterThanOrEqual(name.endsWith("eps") ? 5 : 6);
    const mask = golden.io.get("input.bool_masked_pos");
    if (mask !== undefined) {
      const inputs = new Map([
        ["pixel_values", pixels],
        ["bool_masked_pos", mask],
      ]);
      expect(await run(inputs, "output.masked.")).toBe(5);
    }
  });

  it.each(MODELS.filter((name) => !name.endsWith("eps")))("%s: every gradient", async (name) => {
    const golden = await goldenCase(name);
    using device = open();
    const model = await trainable(device, name);
    await device.scoped(async () => {
      const pixels = golden.io.get("input.pixel_values")!;
      const probe = golden.io.get("input.probe")!;
      const { last, pooled } = model.forward(device.from(toFloat32(pixels), pixels.shape), { mask: null, train: true });
      const loss = device.empty([1], "sum(last * probe) + sum(pooled)");
      record(loss, [last], () => {
        passGrad(last, device.from(toFloat32(probe), probe.shape));
        passGrad(pooled!, device.from(new Float32Array(pooled!.count).fill(1), pooled!.shape));
      });
      backward(loss);
    });
    await expectGradients(golden, name, model);
  });

  it.each(CLASSIFIERS)("%s: logits, loss and gradients", async (name) => {
    const golden = await goldenCase(name);
    using device = open();
    const model = await trainable(device, name);
    await device.scoped(async () => {
      const pixels = golden.io.get("input.pixel_values")!;
      const { outputs: logits } = model.forward(device.from(toFloat32(pixels), pixels.shape), { mask: null, train: true });
      const labels = golden.io.get("input.labels")!;
      const [rows, classes] = logits!.shape;
      const multi = labels.dtype === "F32";
      const targets = multi
        ? toFloat32(labels)
        : Float32Array.from({ length: rows * classes }, (_, i) => (Number(labels.data[Math.floor(i / classes)]) === i % classes ? 1 : 0));
      device.setScalars({ normalizer: multi ? rows * classes : rows });
      const loss = (multi ? binaryCrossEntropy : crossEntropy)(logits!, device.from(targets, [rows, classes]));
      backward(loss);
      expectGolden("logits", (await logits!.read()) as Float32Array, golden.io.get("output.logits")!, golden.uncertainty("output.logits"));
      const value = ((await loss.read()) as Float32Array).subarray(0, 1);
      expectGolden("loss", value, golden.io.get("output.loss")!, golden.uncertainty("output.loss"));
    });
    await expectGradients(golden, name, model);
  });
});
