import { describe, expect, it } from "vitest";
import { readParameters, writeParameters } from "../../src/checkpoint/parameters.js";
import type { HostTensor } from "../../src/checkpoint/safetensors.js";
import { Data2VecPretraining } from "../../src/data2vec/pretraining.js";
import { TextEncoder } from "../../src/modalities/text/encoder.js";
import { TwoLayerHead } from "../../src/modalities/text/head.js";
import { uploadTokens } from "../../src/modalities/text/input.js";
import { Linear } from "../../src/nn/linear.js";
import { backward } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { AdamW } from "../../src/train/optimizer.js";
import { devices } from "../devices.js";
import { fromFairseqText } from "./fairseq-text-names.js";
import { expectGolden, goldenCase } from "./golden.js";

const RECIPES = {
  d2v1_text_base: {
    headLayers: 2,
    averageTopKLayers: 2,
    targetLayer: "ffn",
    targetNormalization: "layer",
    finalTargetNormalization: "none",
    lossBeta: 4,
    lossScale: 1,
  },
  d2v1_text_alt: {
    headLayers: 1,
    averageTopKLayers: 3,
    targetLayer: "ffn",
    targetNormalization: "instance",
    finalTargetNormalization: "layer",
    lossBeta: 0,
    lossScale: 1 / Math.sqrt(24),
  },
} as const;

const PADDING = 1;
const MASK = 70;
const TIME = 17;

const ARCHITECTURE = {
  vocabSize: 71,
  maxPositions: 32,
  typeVocabSize: 0,
  paddingId: PADDING,
  dim: 24,
  depth: 3,
  heads: 4,
  ffnDim: 48,
  layerNormEps: 1e-5,
  dropout: 0,
  attentionDropout: 0,
  activationDropout: 0,
  layerDrop: 0,
  initStd: 0.02,
  embeds: true,
};

const ids = (tensor: HostTensor) => {
  const values = Int32Array.from(tensor.data as BigInt64Array, Number);
  const lengths = Int32Array.from({ length: values.length / TIME }, (_, row) => {
    const padding = values.subarray(row * TIME, (row + 1) * TIME).indexOf(PADDING);
    return padding < 0 ? TIME : padding;
  });
  return { tokens: values, shape: [lengths.length, TIME] as const, lengths };
};

const floats = async (tensor: Tensor) => (await tensor.read()) as Float32Array;

describe.each(devices)("one data2vec update of text on $name", ({ open }) => {
  it.each(Object.keys(RECIPES) as (keyof typeof RECIPES)[])("%s", async (name) => {
    const golden = await goldenCase(name);
    const { headLayers, ...recipe } = RECIPES[name];
    using device = open();
    const init = { kind: "constant", value: 0 } as const;
    // The original teacher has embeddings of its own, which only follow the student's after the first update.
    const task = new Data2VecPretraining(
      device,
      () => new TextEncoder(ARCHITECTURE),
      (dim) => (headLayers === 2 ? new TwoLayerHead(dim, init) : new Linear(dim, dim, init)),
      recipe,
    );
    writeParameters(task.store, fromFairseqText(await golden.file("student")));
    writeParameters(task.ema.teacher, fromFairseqText(await golden.file("teacher")));

    const source = ids(golden.io.get("input.src_tokens")!);
    const clean = ids(golden.io.get("input.target_tokens")!);
    const rows = [...source.tokens.keys()].filter((i) => source.tokens[i] === MASK);
    expect(rows.length).toBe(Number(golden.io.get("output.sample_size")!.data[0]));
    const scope = device.scope();
    const batch = {
      input: uploadTokens(device, clean, PADDING),
      masked: uploadTokens(device, source, PADDING),
      mask: null,
      maskedRows: device.fromIndices(Int32Array.from(rows), [rows.length]),
    };
    // The original's loss and gradients are sums; its optimizer divides them by the number of masked tokens.
    device.setScalars({ normalizer: 1 });
    const stats = task.loss(batch);
    backward(stats);

    const target = device.scoped((inner) => inner.keep(task.targets(batch)));
    const at = (values: Float32Array) => Float32Array.from(rows.flatMap((row) => [...values.subarray(row * 24, row * 24 + 24)]));
    expectGolden("target", at(await floats(target)), golden.io.get("output.target.0")!, golden.uncertainty("output.target.0"));
    const prediction = device.noGrad(() => task.predictions(batch));
    expectGolden("pred", await floats(prediction), golden.io.get("output.pred.0")!, golden.uncertainty("output.pred.0"));
    expectGolden("loss", (await floats(stats)).subarray(0, 1), golden.io.get("output.loss")!, golden.uncertainty("output.loss"));

    task.store.clearFrozen();
    const gradients = await readParameters(task.store, task.store.gradients!);
    const expected = fromFairseqText(golden.io, "grad.");
    expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [key, tensor] of expected) expectGolden(`gradient of ${key}`, gradients.get(key)!.data as Float32Array, tensor);

    const taps: Record<string, Promise<unknown>> = {};
    const last = device.noGrad(() =>
      task.student.encode(task.student.embed(batch.input), {
        mask: null,
        train: false,
        onEmbedding: (embedding) => {
          taps["features.states.0"] = embedding.read();
        },
        onLayer: (layer, outputs) => {
          taps[`features.states.${layer + 1}`] = outputs.block.read();
          taps[`features.fc.${layer}`] = outputs.ffn().read();
        },
      }),
    );
    taps["features.x"] = last.read();
    expect(Object.keys(taps).sort()).toEqual([...golden.io.keys()].filter((key) => key.startsWith("features.")).sort());
    for (const [key, values] of Object.entries(taps)) expectGolden(key, (await values) as Float32Array, golden.io.get(key)!);

    task.store.zeroGrad();
    device.setScalars({ normalizer: rows.length });
    backward(task.loss(batch));
    scope.end();
    const { lr, eps, weight_decay } = golden.meta.optimizer as { lr: number; eps: number; weight_decay: number };
    const optimizer = new AdamW(
      task.store,
      {
        beta1: 0.9,
        beta2: 0.98,
        epsilon: eps,
        epsilonPlacement: "uncorrected",
        weightDecay: weight_decay,
        weightDecayOn: "all",
        clipNorm: 0,
        layerDecay: 1,
      },
      3,
    );
    optimizer.prepare(1, lr);
    optimizer.step();
    device.setScalars({ emaDecay: golden.meta.ema!.decay_used });
    task.ema.update();
    const student = await readParameters(task.store);
    const studentAfter = fromFairseqText(await golden.file("student_after"));
    expect(studentAfter.size).toBe(student.size);
    for (const [key, tensor] of studentAfter) expectGolden(`student after ${key}`, student.get(key)!.data as Float32Array, tensor);
    const teacher = await readParameters(task.ema.teacher);
    const teacherAfter = fromFairseqText(await golden.file("teacher_after"));
    expect(teacherAfter.size).toBe(teacher.size);
    for (const [key, tensor] of teacherAfter) expectGolden(`teacher after ${key}`, teacher.get(key)!.data as Float32Array, tensor);
    const table = "embedding.tokens.table";
    expect(teacher.get(table)!.data).toEqual(student.get(table)!.data);
  });
});
