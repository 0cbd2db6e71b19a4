import { describe, expect, it } from "vitest";
import { readParameters, writeParameters } from "../../src/checkpoint/parameters.js";
import { type HostTensor, toFloat32 } from "../../src/checkpoint/safetensors.js";
import { readSpeechModel, toHuggingFace } from "../../src/modalities/speech/huggingface.js";
import type { SpeechInput } from "../../src/modalities/speech/input.js";
import { rawClips } from "../../src/modalities/speech/raw.js";
import { speech } from "../../src/modalities/speech/speech.js";
import { crossEntropy } from "../../src/ops/cross-entropy.js";
import { ctc } from "../../src/ops/ctc.js";
import { extract } from "../../src/tasks/extract.js";
import { loadModel } from "../../src/tasks/load-model.js";
import { Model } from "../../src/tasks/model.js";
import type { Device } from "../../src/tensor/device.js";
import { backward, passGrad, record } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";
import { expectGolden, type GoldenCase, goldenCase } from "./golden.js";

const folderOf = (name: string) => new URL(`./${name}`, import.meta.url).pathname;

const inputs = (golden: GoldenCase, ...names: string[]) =>
  new Map(names.map((name): [string, HostTensor] => [name, golden.io.get(`input.${name}`)!]));

/** A model of the case's folder that can be trained. */
async function trainable(device: Device, name: string) {
  const { encoder, head, parameters, config } = await speech.loadModel(folderOf(name));
  const model = new Model<SpeechInput>(device, encoder, head, { trainable: true });
  writeParameters(model.store, parameters);
  return { model, config };
}

async function expectGradients(golden: GoldenCase, name: string, model: Model<SpeechInput>, count: number): Promise<void> {
  const { model: description } = await readSpeechModel(folderOf(name));
  const gradients = toHuggingFace(await readParameters(model.store, model.store.gradients!), description);
  const expected = [...golden.io].filter(([key]) => key.startsWith("grad."));
  expect(expected).toHaveLength(count);
  for (const [key, tensor] of expected) {
    const ours = gradients.get(key.slice("grad.".length));
    expect(ours, `${key} has no counterpart`).toBeDefined();
    expectGolden(key, ours!.data as Float32Array, tensor, golden.uncertainty(key));
  }
}

describe.each(devices)("Hugging Face's speech models on $name", ({ open }) => {
  it("hf_audio_model: hidden states, with and without padding and masks", async () => {
    const name = "hf_audio_model";
    const golden = await goldenCase(name);
    using device = open();
    const { model, config, task } = await loadModel(device, speech, folderOf(name));
    expect(task).toBeNull();
    const run = async (tensors: Map<string, HostTensor>, prefix: string, count: number) => {
      const outputs = await extract(model, speech.rawInputs(tensors, config), null);
      const expected = [...golden.io.keys()].filter((key) => key.startsWith(prefix) && outputs.has(key.slice(prefix.length)));
      expect(expected).toHaveLength(count);
      for (const key of expected) {
        const ours = outputs.get(key.slice(prefix.length))!.data as Float32Array;
        expectGolden(key, ours, golden.io.get(key)!, golden.uncertainty(key));
      }
    };
    await run(inputs(golden, "input_values", "attention_mask"), "output.", 5);
    await run(inputs(golden, "input_values"), "output.nomask.", 5);
    await run(inputs(golden, "input_values", "attention_mask", "mask_time_indices"), "output.spec_masked.", 1);
  });

  it("hf_audio_model: every gradient", async () => {
    const name = "hf_audio_model";
    const golden = await goldenCase(name);
    using device = open();
    const { model, config } = await trainable(device, name);
    device.scoped(() => {
      const { input } = speech.rawInputs(inputs(golden, "input_values", "attention_mask"), config).upload(device);
      const probe = golden.io.get("input.probe")!;
      const { last } = model.forward(input, { mask: null, train: false });
      const loss = device.empty([1], "sum(last * probe)");
      record(loss, [last], () => passGrad(last, device.from(toFloat32(probe), probe.shape)));
      backward(loss);
    });
    await expectGradients(golden, name, model, 85);
  });

  it("hf_audio_ctc: logits, loss and gradients", async () => {
    const name = "hf_audio_ctc";
    const golden = await goldenCase(name);
    using device = open();
    const { model, config } = await trainable(device, name);
    await device.scoped(async () => {
      const { input } = speech.rawInputs(inputs(golden, "input_values", "attention_mask"), config).upload(device);
      const { outputs, lengths } = model.forward(input, { mask: null, train: false });
      const labels = Array.from(golden.io.get("input.labels")!.data as BigInt64Array, Number);
      const counts = [0, 1].map((row) => labels.slice(row * 7, row * 7 + 7).filter((label) => label >= 0).length);
      device.setScalars({ normalizer: 1 });
      const loss = ctc(outputs!, {
        targets: device.fromIndices(Int32Array.from(labels), [2, 7]),
        targetLengths: device.fromIndices(Int32Array.from(counts), [2]),
        frameLengths: lengths,
        blank: 0,
      });
      backward(loss);
      await expectOutputs(golden, outputs!, loss);
    });
    await expectGradients(golden, name, model, 87);
  });

  it("hf_audio_seqcls: logits, loss and gradients", async () => {
    const name = "hf_audio_seqcls";
    const golden = await goldenCase(name);
    using device = open();
    const { model, config } = await trainable(device, name);
    const plain = await extract(model, rawClips(inputs(golden, "input_values"), config), []);
    expectGolden("logits without a mask", plain.get("logits")!.data as Float32Array, golden.io.get("output.nomask.logits")!);
    await device.scoped(async () => {
      const { input } = speech.rawInputs(inputs(golden, "input_values", "attention_mask"), config).upload(device);
      const { outputs: logits } = model.forward(input, { mask: null, train: false });
      const labels = golden.io.get("input.labels")!;
      const [rows, classes] = logits!.shape;
      const targets = new Float32Array(rows * classes);
      for (const [row, label] of Array.from(labels.data as BigInt64Array, Number).entries()) targets[row * classes + label] = 1;
      device.setScalars({ normalizer: rows });
      const loss = crossEntropy(logits!, device.from(targets, [rows, classes]));
      backward(loss);
      await expectOutputs(golden, logits!, loss);
    });
    await expectGradients(golden, name, model, 7);
  });
});

async function expectOutputs(golden: GoldenCase, logits: Tensor, loss: Tensor): Promise<void> {
  expectGolden("logits", (await logits.read()) as Float32Array, golden.io.get("output.logits")!, golden.uncertainty("output.logits"));
  const value = ((await loss.read()) as Float32Array).subarray(0, 1);
  expectGolden("loss", value, golden.io.get("output.loss")!, golden.uncertainty("output.loss"));
}
