/** Frozen features, k-NN and the linear probe on them, against the same computed in plain loops. */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { openImages } from "../../src/data/image/open.js";
import { vision } from "../../src/modalities/vision/vision.js";
import { pooledFeatures } from "../../src/tasks/features.js";
import { accuracy, encoderFeatures, inputFeatures, type LabelledFeatures } from "../../src/tasks/labelled-features.js";
import { Model } from "../../src/tasks/model.js";
import { nearestNeighbours } from "../../src/tasks/nearest-neighbours.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { DEFAULT_PROBE, fitLinearProbe } from "../../src/train/linear-probe.js";
import { CLASSES, openDevice, SIDE, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const root = await temporaryFolder();
const device = openDevice();
afterAll(() => device.close());
let data: string;
beforeAll(async () => {
  data = await writeIdx(path.join(root, "data"), { test: 70 });
});

/** Clusters around random centres; `spread` is the noise over the distance of the centres. */
function clusters(count: number, { dim = 12, classes = 3, spread = 0.5, seed = 0 } = {}): LabelledFeatures {
  const centre = Array.from({ length: classes }, (_, label) => {
    const random = new Philox(7, "centre", label);
    return Array.from({ length: dim }, () => random.normal());
  });
  const random = new Philox(seed, "points");
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  const features = Float32Array.from({ length: count * dim }, (_, at) => {
    const row = Math.floor(at / dim);
    return centre[labels[row]][at % dim] + spread * random.normal();
  });
  return { features, labels, dim, classes };
}

const rowsOf = ({ features, dim }: Pick<LabelledFeatures, "features" | "dim">) =>
  Array.from({ length: features.length / dim }, (_, row) => [...features.subarray(row * dim, (row + 1) * dim)]);
const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);

describe("k-NN", () => {
  it.each([1, 5, 20])("with k = %i is what sorting all cosine similarities gives", async (k) => {
    const known = clusters(150, { spread: 1.2 });
    // More than one block of queries.
    const queries = clusters(300, { spread: 1.2, seed: 1 });
    const references = rowsOf(known);
    const expected = rowsOf(queries).map((query) => {
      const ranked = references
        .map((reference, i) => ({
          label: known.labels[i],
          similarity: dot(query, reference) / Math.sqrt(dot(query, query) * dot(reference, reference)),
        }))
        .sort((a, b) => b.similarity - a.similarity)
        .slice(0, k);
      const tally = Array.from({ length: known.classes }, (_, label) => {
        const own = ranked.filter((neighbour) => neighbour.label === label);
        return { label, votes: own.length, sum: own.reduce((sum, { similarity }) => sum + similarity, 0) };
      });
      return tally.sort((a, b) => b.votes - a.votes || b.sum - a.sum)[0].label;
    });
    const predicted = await nearestNeighbours(device, known, queries.features, k);
    expect([...predicted]).toEqual(expected);
    const correct = accuracy(predicted, queries.labels);
    expect(correct).toBeGreaterThan(0.5);
    expect(correct).toBeLessThan(1);
  });

  it("finds separate clusters without an error, whatever the length of the vectors", async () => {
    const known = clusters(60, { spread: 0.1 });
    const queries = clusters(60, { spread: 0.1, seed: 1 });
    const long = queries.features.map((value, at) => value * (1 + Math.floor(at / queries.dim)));
    for (const features of [queries.features, long]) expect(await nearestNeighbours(device, known, features, 5)).toEqual(queries.labels);
  });

  it("lets the number of neighbours decide before their similarity, which breaks ties", async () => {
    const angle = (degrees: number) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    const known = (degrees: number[], labels: number[]): LabelledFeatures => ({
      features: Float32Array.from(degrees.flatMap(angle)),
      labels: Int32Array.from(labels),
      dim: 2,
      classes: 3,
    });
    const query = Float32Array.from(angle(0));
    // One very close, two further away: the majority wins. Two against two: the nearer pair wins.
    expect([...(await nearestNeighbours(device, known([1, 60, 70], [0, 1, 1]), query, 3))]).toEqual([1]);
    expect([...(await nearestNeighbours(device, known([1, 60, 50, 20], [1, 1, 2, 2]), query, 4))]).toEqual([2]);
    const many = Array.from({ length: 2101 }, (_, i) => (i < 1050 ? 0.001 * i : 80));
    const labels = many.map((_, i) => (i < 1050 ? 0 : 1));
    expect([...(await nearestNeighbours(device, known(many, labels), query, 2101))]).toEqual([1]);
  });

  it("refuses a k that makes no sense", async () => {
    const known = clusters(6);
    for (const k of [0, 7])
      await expect(nearestNeighbours(device, known, known.features, k)).rejects.toThrow(`from 1 to the 6 labelled samples, got ${k}`);
  });
});

describe("the linear probe", () => {
  it("separates separable clusters", async () => {
    const known = clusters(60, { spread: 0.3 });
    const queries = clusters(90, { spread: 0.3, seed: 1 });
    const probe = await fitLinearProbe(device, known);
    expect(accuracy(await probe.predict(known.features), known.labels)).toBe(1);
    expect(accuracy(await probe.predict(queries.features), queries.labels)).toBeGreaterThan(0.97);
    probe.release();
  });

  it("decides as softmax regression fitted in plain loops", async () => {
    const known = clusters(60, { dim: 4, spread: 1.5 });
    const queries = clusters(200, { dim: 4, spread: 1.5, seed: 1 });
    // A feature on another scale and with an offset, which standardising takes out.
    for (const { features } of [known, queries]) for (let at = 0; at < features.length; at += 4) features[at] = 1000 + 100 * features[at];
    const logits = fitByHand(known, rowsOf(queries));
    const probe = await fitLinearProbe(device, known);
    const predicted = await probe.predict(queries.features);
    probe.release();
    let clear = 0;
    for (const [i, row] of logits.entries()) {
      const [best, second] = [...row].sort((a, b) => b - a);
      if (best - second < 0.01) continue;
      clear++;
      expect(predicted[i], `query ${i}: ${row}`).toBe(row.indexOf(best));
    }
    expect(clear).toBeGreaterThan(180);
    const correct = accuracy(predicted, queries.labels);
    expect(correct).toBeGreaterThan(0.4);
    expect(correct).toBeLessThan(1);
  });
});

/** Logits of softmax regression by AdamW on standardised features, in doubles. */
function fitByHand(known: LabelledFeatures, queries: number[][]): number[][] {
  const { steps, learningRate, weightDecay } = DEFAULT_PROBE;
  const { dim, classes, labels } = known;
  const rows = rowsOf(known);
  const mean = Array.from({ length: dim }, (_, c) => rows.reduce((sum, row) => sum + row[c], 0) / rows.length);
  const deviation = mean.map((m, c) => Math.sqrt(rows.reduce((sum, row) => sum + (row[c] - m) ** 2, 0) / rows.length));
  const standardize = (row: number[]) => row.map((value, c) => (value - mean[c]) / deviation[c]);
  const inputs = rows.map((row) => [...standardize(row), 1]);
  const weights = Array.from({ length: classes }, () => new Array(dim + 1).fill(0));
  const first = weights.map((row) => [...row]);
  const second = weights.map((row) => [...row]);
  for (let step = 1; step <= steps; step++) {
    const gradient = weights.map((row) => row.map(() => 0));
    for (const [i, x] of inputs.entries()) {
      const exponentials = weights.map((row) => Math.exp(dot(row, x)));
      const sum = exponentials.reduce((a, b) => a + b, 0);
      for (let k = 0; k < classes; k++) {
        const error = exponentials[k] / sum - (labels[i] === k ? 1 : 0);
        for (let c = 0; c <= dim; c++) gradient[k][c] += (error * x[c]) / rows.length;
      }
    }
    const rate = 0.5 * learningRate * (1 + Math.cos((Math.PI * (step - 1)) / steps));
    for (let k = 0; k < classes; k++) {
      for (let c = 0; c <= dim; c++) {
        const g = gradient[k][c];
        first[k][c] = 0.9 * first[k][c] + 0.1 * g;
        second[k][c] = 0.999 * second[k][c] + 0.001 * g * g;
        const update = first[k][c] / (1 - 0.9 ** step) / (Math.sqrt(second[k][c] / (1 - 0.999 ** step)) + 1e-8);
        weights[k][c] -= rate * (update + (c < dim ? weightDecay * weights[k][c] : 0));
      }
    }
  }
  return queries.map((query) => weights.map((row) => dot(row, [...standardize(query), 1])));
}

describe("features", () => {
  const config = smallConfig("pretrain", { model: { depth: 3, layerScale: 0.5, initStd: 0.3 } });
  const open = () => {
    const model = new Model<Tensor>(device, vision.createEncoder(config, "student"), null, { trainable: false });
    model.store.initialize(3);
    return model;
  };

  it.each([
    ["block", 1, [2]],
    ["block", 2, [1, 2]],
    ["ffn", 2, [1, 2]],
    ["ffn", 9, [0, 1, 2]],
  ] as const)("of %s outputs, top %i, are the mean of those layers over the patches", async (tap, topLayers, layers) => {
    using model = open();
    const { encoder } = model;
    await device.scoped(async () => {
      const images = device.from(
        Float32Array.from({ length: 192 }, (_, i) => Math.sin(i * i)),
        [3, 1, SIDE, SIDE],
      );
      const outputs: { block: ArrayLike<number>; ffn: ArrayLike<number> }[] = [];
      const reads: Promise<void>[] = [];
      device.noGrad(() =>
        encoder.encode(encoder.embed(images), {
          mask: null,
          train: false,
          onLayer: (layer, { block, ffn }) => {
            const contribution = ffn();
            reads.push(
              Promise.all([block.read(), contribution.read()]).then(([whole, part]) => {
                outputs[layer] = { block: whole, ffn: part };
              }),
            );
          },
        }),
      );
      await Promise.all(reads);
      const features = await device.noGrad(() => pooledFeatures(encoder, images, { tap, topLayers })).read();
      expect(features).toHaveLength(3 * 16);
      const expected = Array.from({ length: 3 * 16 }, (_, at) => {
        const [image, channel] = [Math.floor(at / 16), at % 16];
        let sum = 0;
        for (const layer of layers)
          for (let patch = 1; patch <= 16; patch++) sum += outputs[layer][tap][(image * 17 + patch) * 16 + channel];
        return sum / layers.length / 16;
      });
      const errors = expected.map((value, i) => Math.abs(value - features[i]));
      expect(Math.max(...errors)).toBeLessThan(1e-5);
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.01);
    });
  });

  it("of a data set come in its order, each image once, and pixels as normalised images", async () => {
    using model = open();
    const { evaluation: feed } = await vision.openLabelled(data, config, { task: "classify", onSkip: () => {} });
    const learned = await encoderFeatures(device, model.encoder, feed!);
    const pixels = await inputFeatures(device, feed!);
    await feed!.close();
    for (const { labels, classes } of [learned, pixels]) {
      expect([...labels]).toEqual(Array.from({ length: 70 }, (_, i) => i % CLASSES));
      expect(classes).toBe(CLASSES);
    }
    expect([learned.dim, pixels.dim]).toEqual([16, SIDE * SIDE]);
    expect(learned.features).toHaveLength(70 * 16);

    const images = await openImages(data, { split: "test" });
    const { mean, std } = config.data;
    for (const i of [0, 63, 64, 69]) {
      const { data: bytes } = await images.read(i);
      const ours = pixels.features.subarray(i * 64, (i + 1) * 64);
      expect(Math.max(...ours.map((value, at) => Math.abs(value - (bytes[at] / 255 - mean[0]) / std[0])))).toBeLessThan(1e-5);
      const alone = await device.scoped(() => {
        const image = device.from(ours, [1, 1, SIDE, SIDE]);
        return device.noGrad(() => pooledFeatures(model.encoder, image, { tap: "block", topLayers: 2 })).read();
      });
      const inBatch = learned.features.subarray(i * 16, (i + 1) * 16);
      expect(Math.max(...inBatch.map((value, at) => Math.abs(value - (alone[at] as number))))).toBeLessThan(1e-6);
    }
    // The bars are told apart by their pixels.
    expect(accuracy(await nearestNeighbours(device, pixels, pixels.features, 3), pixels.labels)).toBe(1);
  });
});
