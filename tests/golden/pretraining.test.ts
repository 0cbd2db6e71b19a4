import { describe, expect, it } from "vitest";
import { readParameters, writeParameters } from "../../src/checkpoint/parameters.js";
import { toFloat32 } from "../../src/checkpoint/safetensors.js";
import { Data2VecPretraining } from "../../src/data2vec/pretraining.js";
import { VisionEncoder } from "../../src/modalities/vision/encoder.js";
import { Linear } from "../../src/nn/linear.js";
import { backward } from "../../src/tensor/tape.js";
import { AdamW } from "../../src/train/optimizer.js";
import { devices } from "../devices.js";
import { fromBeit } from "./beit-names.js";
import { expectGolden, goldenCase } from "./golden.js";

const RECIPES = {
  d2v1_beit_base: {
    relativePositionBias: "shared",
    averageTopKLayers: 2,
    targetLayer: "block",
    targetNormalization: "none",
    finalTargetNormalization: "layer",
    lossBeta: 2,
    lossScale: 1 / 24,
  },
  d2v1_beit_alt: {
    relativePositionBias: "perBlock",
    averageTopKLayers: 3,
    targetLayer: "ffn",
    targetNormalization: "layer",
    finalTargetNormalization: "none",
    lossBeta: 0,
    lossScale: 0.3 / 24,
  },
} as const;

describe.each(devices)("one data2vec update on $name", ({ open }) => {
  it.each(Object.keys(RECIPES) as (keyof typeof RECIPES)[])("%s", async (name) => {
    const golden = await goldenCase(name);
    using device = open();
    const encoder = () =>
      new VisionEncoder({
        imageSize: 32,
        patchSize: 8,
        channels: 3,
        dim: 24,
        depth: 3,
        heads: 4,
        ffnDim: 48,
        layerNormEps: 1e-6,
        layerScale: 1e-4,
        dropPath: 0,
        attentionDropout: 0,
        dropout: 0,
        relativePositionBias: RECIPES[name].relativePositionBias,
        absolutePositions: false,
        maskToken: true,
        finalNorm: true,
        initStd: 0.02,
        initClip: 1,
      });
    const task = new Data2VecPretraining(device, encoder, (dim) => new Linear(dim, dim, { kind: "constant", value: 0 }), RECIPES[name]);
    writeParameters(task.store, fromBeit(await golden.file("student")));
    writeParameters(task.ema.teacher, fromBeit(await golden.file("teacher")));

    const mask = Int32Array.from(golden.io.get("input.mask")!.data as BigInt64Array, Number);
    const rows = [...mask.keys()].filter((i) => mask[i] === 1).map((i) => Math.floor(i / 16) * 17 + 1 + (i % 16));
    device.setScalars({ normalizer: rows.length });
    const scope = device.scope();
    const input = device.from(toFloat32(golden.io.get("input.img")!), [2, 3, 32, 32]);
    const batch = {
      input,
      masked: input,
      mask: device.fromIndices(mask, [2, 16]),
      maskedRows: device.fromIndices(Int32Array.from(rows), [rows.length]),
    };
    const stats = task.loss(batch);
    backward(stats);

    const target = device.scoped((inner) => inner.keep(task.targets(batch)));
    const at = (values: Float32Array) => Float32Array.from(rows.flatMap((row) => [...values.subarray(row * 24, row * 24 + 24)]));
    const prediction = device.noGrad(() => task.predictions(batch));
    expectGolden("target", at((await target.read()) as Float32Array), golden.io.get("output.target")!, golden.uncertainty("output.target"));
    expectGolden("pred", (await prediction.read()) as Float32Array, golden.io.get("output.pred")!, golden.uncertainty("output.pred"));
    const loss = ((await stats.read()) as Float32Array).subarray(0, 1);
    expectGolden("loss", loss, golden.io.get("output.loss_total")!, golden.uncertainty("output.loss_total"));

    task.store.clearFrozen();
    const gradients = await readParameters(task.store, task.store.gradients!);
    const expected = fromBeit(golden.io, "grad.");
    expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [key, tensor] of expected) expectGolden(`gradient of ${key}`, gradients.get(key)!.data as Float32Array, tensor);

    const features: Float32Array[] = [];
    const taps: Record<string, Promise<unknown>> = {};
    device.noGrad(() =>
      task.student.encode(task.student.embed(input), {
        mask: null,
        train: false,
        onLayer: (layer, outputs) => {
          taps[`features.layer.${layer}`] = outputs.block.read();
          taps[`features.fc.${layer}`] = outputs.ffn().read();
        },
      }),
    );
    for (const [key, values] of Object.entries(taps)) {
      const all = (await values) as Float32Array;
      const patches = Float32Array.from([0, 1].flatMap((b) => [...all.subarray((b * 17 + 1) * 24, (b + 1) * 17 * 24)]));
      features.push(patches);
      expectGolden(key, patches, golden.io.get(key)!);
    }
    expect(features).toHaveLength(6);
    scope.end();

    const { lr, eps, weight_decay } = golden.meta.optimizer as { lr: number; eps: number; weight_decay: number };
    const config = { beta1: 0.9, beta2: 0.999, epsilon: eps, weightDecay: weight_decay, clipNorm: 0, layerDecay: 1 };
    const optimizer = new AdamW(task.store, config, 3);
    optimizer.prepare(1, lr);
    optimizer.step();
    device.setScalars({ emaDecay: golden.meta.ema!.decay_used });
    task.ema.update();
    const student = await readParameters(task.store);
    for (const [key, tensor] of fromBeit(await golden.file("student_after"))) {
      expectGolden(`student after ${key}`, student.get(key)!.data as Float32Array, tensor);
    }
    const teacher = await readParameters(task.ema.teacher);
    for (const [key, tensor] of fromBeit(await golden.file("teacher_after"))) {
      if (!key.startsWith("head.")) expectGolden(`teacher after ${key}`, teacher.get(key)!.data as Float32Array, tensor);
    }
  });
});
