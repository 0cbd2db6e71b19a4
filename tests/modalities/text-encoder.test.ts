import { describe, expect, it } from "vitest";
import { readParameters } from "../../src/checkpoint/parameters.js";
import { toFloat32 } from "../../src/checkpoint/safetensors.js";
import { padded } from "../../src/data/text/loader.js";
import { Data2VecPretraining } from "../../src/data2vec/pretraining.js";
import { TextEncoder } from "../../src/modalities/text/encoder.js";
import { TwoLayerHead } from "../../src/modalities/text/head.js";
import { positionIds, uploadTokens } from "../../src/modalities/text/input.js";
import { backward } from "../../src/tensor/tape.js";
import { devices } from "../devices.js";

const ARCHITECTURE = {
  vocabSize: 20,
  maxPositions: 10,
  typeVocabSize: 0,
  paddingId: 1,
  dim: 8,
  depth: 2,
  heads: 2,
  ffnDim: 16,
  layerNormEps: 1e-5,
  dropout: 0,
  attentionDropout: 0,
  activationDropout: 0,
  layerDrop: 0,
  initStd: 0.5,
  embeds: true,
};

const RECIPE = {
  averageTopKLayers: 2,
  targetLayer: "ffn",
  targetNormalization: "layer",
  finalTargetNormalization: "none",
  lossBeta: 4,
  lossScale: 1,
} as const;

const CLEAN = [Int32Array.of(0, 5, 6, 7, 2), Int32Array.of(0, 8, 2)];
const MASKED = [Int32Array.of(0, 19, 19, 7, 2), Int32Array.of(0, 19, 2)];

describe("token input", () => {
  it("counts positions from the padding id on, row by row, and skips padding", () => {
    expect([...positionIds(Int32Array.of(0, 5, 2, 1, 0, 2, 1, 1), 4, 1)]).toEqual([2, 3, 4, 1, 2, 3, 1, 1]);
    expect([...positionIds(Int32Array.of(3, 4, 0), 3, 0)]).toEqual([1, 2, 0]);
  });
});

describe.each(devices)("TextEncoder on $name", ({ open }) => {
  const method = (device: ReturnType<typeof open>, teacherEmbeds: boolean) => {
    const task = new Data2VecPretraining(
      device,
      (role) => new TextEncoder({ ...ARCHITECTURE, embeds: role === "student" || teacherEmbeds }),
      (dim) => new TwoLayerHead(dim, { kind: "normal", std: 0.5 }),
      RECIPE,
    );
    task.initialize(3);
    return task;
  };

  it("gives a teacher without an embedding the targets of one whose embedding is the student's", async () => {
    using device = open();
    const alone = method(device, false);
    const own = method(device, true);
    expect([...alone.teacher.namedParameters()].every(({ name }) => name.startsWith("transformer."))).toBe(true);
    await device.scoped(async () => {
      device.setScalars({ normalizer: 3 });
      const batch = {
        input: uploadTokens(device, padded(CLEAN, 1), 1),
        masked: uploadTokens(device, padded(MASKED, 1), 1),
        mask: null,
        maskedRows: device.fromIndices(Int32Array.of(1, 2, 6), [3]),
      };
      expect(await alone.targets(batch).read()).toEqual(await own.targets(batch).read());
      expect(await device.noGrad(() => alone.loss(batch)).read()).toEqual(await device.noGrad(() => own.loss(batch)).read());
    });
  });

  it("doesn't let padding change a sample, nor learn from it", async () => {
    using device = open();
    const task = method(device, false);
    const { student } = task;
    await device.scoped(async () => {
      const run = async (sequences: Int32Array[]) => {
        const input = uploadTokens(device, padded(sequences, 1), 1);
        return (await device.noGrad(() => student.encode(student.embed(input), { mask: null, train: false })).read()) as Float32Array;
      };
      const together = await run(CLEAN);
      const alone = await run(CLEAN.slice(1));
      for (const [i, value] of alone.entries()) expect(together[5 * 8 + i]).toBeCloseTo(value, 5);

      device.setScalars({ normalizer: 3 });
      const batch = {
        input: uploadTokens(device, padded(CLEAN, 1), 1),
        masked: uploadTokens(device, padded(MASKED, 1), 1),
        mask: null,
        maskedRows: device.fromIndices(Int32Array.of(1, 2, 6), [3]),
      };
      backward(task.loss(batch));
    });
    const gradients = await readParameters(task.store, task.store.gradients!);
    for (const name of ["embedding.tokens.table", "embedding.positions.table"]) {
      const values = toFloat32(gradients.get(name)!);
      expect(values.subarray(8, 16).every((value) => value === 0)).toBe(true);
      expect(values.some((value) => value !== 0)).toBe(true);
      const table = toFloat32((await readParameters(task.store)).get(name)!);
      expect(table.subarray(8, 16).every((value) => value === 0)).toBe(true);
    }
  });

  it("refuses a mask over positions, and to embed without an embedding", () => {
    using device = open();
    const task = method(device, false);
    device.scoped(() => {
      const input = uploadTokens(device, padded(CLEAN, 1), 1);
      const mask = device.fromIndices(new Int32Array(10), [2, 5]);
      expect(() => task.student.encode(task.student.embed(input), { mask, train: false })).toThrow("put the token <mask> into the input");
      expect(() => task.teacher.embed(input)).toThrow("has no embedding");
    });
  });
});
