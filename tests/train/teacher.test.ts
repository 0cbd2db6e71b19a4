/** The teacher: a copy of the student at first, then its moving average, which no gradient, mask or dropout reaches. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readParameters } from "../../src/checkpoint/parameters.js";
import { type HostTensor, readSafetensors, toFloat32 } from "../../src/checkpoint/safetensors.js";
import { targetConfigOf } from "../../src/data2vec/config.js";
import type { MaskedInput } from "../../src/data2vec/pretraining.js";
import { Data2VecPretraining } from "../../src/data2vec/pretraining.js";
import { readVisionModel } from "../../src/modalities/vision/huggingface.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { backward } from "../../src/tensor/tape.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { openDevice, runPretraining, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const root = await temporaryFolder();
const device = openDevice();
afterAll(() => device.close());
let data: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"));
});

const config = smallConfig("pretrain", {
  model: { emaDecay: 0.5, emaEndDecay: 0.8, emaAnnealSteps: 3, dropPath: 0.5 },
  train: { steps: 4, saveEvery: 1, accumulate: 2, learningRate: 0.01 },
});

function createMethod(): Data2VecPretraining<Tensor> {
  const method = new Data2VecPretraining(
    device,
    (role) => vision.createEncoder(config, role),
    vision.createRegressionHead(config),
    targetConfigOf(config.model),
  );
  method.initialize(config.train.seed);
  return method;
}

const values = (tensors: Map<string, HostTensor>) => new Map([...tensors].map(([name, tensor]) => [name, toFloat32(tensor)]));

describe("the teacher's parameters", () => {
  it("start as a copy of the student's and follow them once per update", async () => {
    using method = createMethod();
    const teacher = values(await readParameters(method.ema.teacher));
    const start = values(await readParameters(method.store));
    expect([...start.keys()].filter((name) => !name.startsWith("head."))).toEqual([...teacher.keys()]);
    for (const [name, tensor] of teacher) expect(tensor, name).toEqual(start.get(name));

    const out = path.join(root, "run");
    const checkpoint = path.join(out, "checkpoint");
    const decays = [0.5 + 0.3 / 3, 0.5 + 0.6 / 3, 0.8, 0.8];
    await runPretraining({ config, data, out, device }, async ({ step, metrics }) => {
      const decay = decays[step - 1];
      expect(metrics.emaDecay).toBeCloseTo(decay, 12);
      const student = values((await readVisionModel(checkpoint)).parameters);
      const saved = values(await readSafetensors(path.join(checkpoint, "teacher.safetensors")));
      expect([...saved.keys()].sort()).toEqual([...teacher.keys()].sort());
      let apart = 0;
      let error = 0;
      for (const [name, expected] of teacher) {
        const actual = saved.get(name)!;
        for (let i = 0; i < expected.length; i++) {
          const average = decay * expected[i] + (1 - decay) * student.get(name)![i];
          error = Math.max(error, Math.abs(actual[i] - average) / Math.max(1, Math.abs(average)));
          apart = Math.max(apart, Math.abs(student.get(name)![i] - average));
        }
        // The next step starts from what was saved, in f32.
        teacher.set(name, actual);
      }
      expect(error, `step ${step}`).toBeLessThanOrEqual(2e-7);
      if (step > 1) expect(apart).toBeGreaterThan(1e-3);
    });
  });

  it("and targets get no gradient", async () => {
    using method = createMethod();
    const before = await readParameters(method.ema.teacher);
    await withBatch(async (batch) => {
      backward(method.loss(batch([1, 3])));
      expect(method.ema.teacher.gradients).toBeNull();
      expect(await readParameters(method.ema.teacher)).toEqual(before);
      const recorded = device.noGrad(() => method.targets(batch([1])));
      expect(recorded.requiresGrad).toBe(false);
      expect(method.targets(batch([1])).requiresGrad).toBe(false);
    });
  });
});

/** Two fixed images, with the same patches masked in both. */
function withBatch<R>(body: (batch: (masked: number[]) => MaskedInput<Tensor>) => Promise<R>): Promise<R> {
  const pixels = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i * i));
  return device.scoped(() =>
    body((masked) => {
      device.setScalars({ normalizer: 2 * masked.length });
      const mask = Int32Array.from({ length: 32 }, (_, i) => (masked.includes(i % 16) ? 1 : 0));
      const rows = [0, 1].flatMap((image) => masked.map((patch) => image * 17 + 1 + patch));
      const input = device.from(pixels, [2, 1, 8, 8]);
      return {
        input,
        masked: input,
        mask: device.fromIndices(mask, [2, 16]),
        maskedRows: device.fromIndices(Int32Array.from(rows), [rows.length]),
      };
    }),
  );
}

describe("targets", () => {
  it("don't depend on the student's mask, dropout or drop path", async () => {
    using method = createMethod();
    const targetsOf = async (masked: number[], step: number) => {
      device.setRandom(0, step, 0);
      return withBatch(async (batch) => {
        const made: Tensor[] = [];
        device.observe(
          (tensor) => made.push(tensor),
          () => backward(method.loss(batch(masked))),
        );
        const target = made.filter(({ label }) => label === "teacher target");
        expect(target).toHaveLength(1);
        return target[0].read();
      });
    };
    const first = await targetsOf([2, 5, 7], 1);
    expect(await targetsOf([0, 1, 15], 2)).toEqual(first);
    expect(first.some((value) => value !== 0)).toBe(true);
  });

  it("are the normalised, averaged top layers of an encoder that sees the whole image", async () => {
    using method = createMethod();
    expect(config.model).toMatchObject({ targetLayer: "block", targetNormalization: "instance", finalTargetNormalization: "layer" });
    await withBatch(async (batch) => {
      const whole = batch([4]);
      const target = await device.noGrad(() => method.targets(whole)).read();
      const layers: Promise<ArrayLike<number>>[] = [];
      // At the start the student is the same network.
      device.noGrad(() =>
        method.student.encode(method.student.embed(whole.input), {
          mask: null,
          train: false,
          onLayer: (_, outputs) => layers.push(outputs.block.read()),
        }),
      );
      const expected = averageByHand(await Promise.all(layers), 2, 17, 16);
      for (let image = 0; image < 2; image++) {
        const [start, end] = [(image * 17 + 1) * 16, (image + 1) * 17 * 16];
        const errors = expected.subarray(start, end).map((value, i) => Math.abs(target[start + i] - value));
        expect(Math.max(...errors)).toBeLessThan(1e-4);
      }
    });
  });
});

/** Instance norm of each layer over the patches of an image, their mean, then layer norm: (batch, tokens, dim), the first token left out. */
function averageByHand(layers: ArrayLike<number>[], batch: number, tokens: number, dim: number): Float64Array {
  const average = new Float64Array(batch * tokens * dim);
  const moments = (list: number[]) => {
    const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
    return { mean, deviation: Math.sqrt(list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length + 1e-5) };
  };
  for (const layer of layers) {
    for (let b = 0; b < batch; b++) {
      for (let c = 0; c < dim; c++) {
        const places = Array.from({ length: tokens - 1 }, (_, t) => (b * tokens + 1 + t) * dim + c);
        const { mean, deviation } = moments(places.map((at) => layer[at]));
        for (const at of places) average[at] += (layer[at] - mean) / deviation / layers.length;
      }
    }
  }
  for (let row = 0; row < batch * tokens; row++) {
    const { mean, deviation } = moments(Array.from(average.subarray(row * dim, (row + 1) * dim)));
    for (let at = row * dim; at < (row + 1) * dim; at++) average[at] = (average[at] - mean) / deviation;
  }
  return average;
}
