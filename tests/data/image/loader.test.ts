/** The loader: order, determinism over workers and starting points, unreadable images, errors and shutdown. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import type { Skipped } from "../../../src/data/batch-loader.js";
import { type ImageDataset, subset } from "../../../src/data/image/dataset.js";
import { type ImageBatch, ImageLoader, type LoaderOptions } from "../../../src/data/image/loader.js";
import { openImages } from "../../../src/data/image/open.js";
import { evaluationTransform, finetuneTransform, type ImageSettings, pretrainTransform } from "../../../src/data/image/transform.js";

const SETTINGS: ImageSettings = {
  cropScale: [0.3, 1],
  cropRatio: [3 / 4, 4 / 3],
  interpolation: "bicubic",
  evaluationCrop: 0.875,
  flip: 0.5,
  colorJitter: 0.4,
  mean: [0.485, 0.456, 0.406],
  std: [0.25],
  randAugment: "rand-m9-mstd0.5-inc1",
  erasing: 0.25,
};
const GRAY: ImageSettings = { ...SETTINGS, mean: [0.286], std: [0.353] };

let root: string;
let photos: ImageDataset;
let sample: ImageDataset;
const open: ImageLoader[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "loader-"));
  photos = await openImages(await photoFolder("photos", 23));
  sample = await openImages("examples/data/fashion-mnist", { split: "test" });
});
afterAll(async () => {
  await Promise.all(open.map((loader) => loader.close()));
  await rm(root, { recursive: true });
});

/** A labelled folder of small noisy pictures of many sizes. */
async function photoFolder(name: string, count: number, broken: number[] = []): Promise<string> {
  const folder = join(root, name);
  for (let i = 0; i < count; i++) {
    const [width, height] = [20 + ((i * 7) % 31), 18 + ((i * 11) % 23)];
    const random = new Philox(i, "photo");
    const data = Uint8Array.from({ length: width * height * 3 }, () => random.int(256));
    const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
      [i % 2 === 0 ? "jpeg" : "png"]()
      .toBuffer();
    const path = join(folder, i % 3 === 0 ? "cat" : "dog", `${String(i).padStart(3, "0")}.${i % 2 === 0 ? "jpg" : "png"}`);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, broken.includes(i) ? bytes.subarray(0, bytes.length / 2) : bytes);
  }
  return folder;
}

function load(dataset: ImageDataset, options: Partial<LoaderOptions> = {}): ImageLoader {
  const transform = pretrainTransform(SETTINGS, 16, 3);
  const loader = new ImageLoader(dataset, { batchSize: 4, transform, seed: 7, training: true, workers: 0, ...options });
  open.push(loader);
  return loader;
}

async function take(loader: ImageLoader, count: number, step = 0): Promise<ImageBatch[]> {
  const batches: ImageBatch[] = [];
  for await (const batch of loader.from(step)) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

describe("order", () => {
  it("visits every image once an epoch but for the rest, in an order of its own each time", async () => {
    const loader = load(photos);
    expect(loader.stepsPerEpoch).toBe(5);
    const batches = await take(loader, 15);
    const epochs = [0, 1, 2].map((epoch) => batches.filter((batch) => batch.epoch === epoch).flatMap((batch) => [...batch.indices]));
    for (const indices of epochs) expect(new Set(indices).size).toBe(20);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(epochs[1]).not.toEqual(epochs[2]);
    expect(batches.map((batch) => batch.step)).toEqual(Array.from({ length: 15 }, (_, i) => i));
    expect((await take(load(photos, { seed: 8 }), 1))[0]!.indices).not.toEqual(batches[0]!.indices);
  });

  it("evaluates in order, with the rest, once", async () => {
    const loader = load(photos, { training: false, transform: evaluationTransform(SETTINGS, 16, 3) });
    const batches = await take(loader, 99);
    expect(batches.map((batch) => batch.shape)).toEqual([...new Array(5).fill([4, 3, 16, 16]), [3, 3, 16, 16]]);
    expect(batches.flatMap((batch) => [...batch.indices])).toEqual(Array.from({ length: 23 }, (_, i) => i));
    expect(batches.flatMap((batch) => batch.names)).toEqual(Array.from({ length: 23 }, (_, i) => photos.name(i)));
    expect(batches.flatMap((batch) => [...batch.labels])).toEqual(Array.from({ length: 23 }, (_, i) => photos.label(i)));
    expect(batches.at(-1)!.pixels.length).toBe(3 * 3 * 16 * 16);
    expect(await take(loader, 99)).toEqual(batches);
  });

  it("refuses a set smaller than a training batch, and senseless numbers", () => {
    expect(() => load(subset(photos, [1, 2]))).toThrow(/fewer images than a batch of 4\nset train.batchSize to at most 2/);
    expect(() => load(photos, { batchSize: 0 })).toThrow(/batchSize: expected a whole number from 1/);
    expect(() => load(photos, { workers: 1.5 })).toThrow(/workers/);
  });
});

describe("determinism", () => {
  it.each([
    ["files", 3, () => photos, SETTINGS],
    [
      "images in memory",
      1,
      () =>
        subset(
          sample,
          Array.from({ length: 23 }, (_, i) => i * 3),
        ),
      GRAY,
    ],
  ] as const)("gives the same bits whatever the number of workers: %s", async (_name, channels, dataset, settings) => {
    const transform = finetuneTransform(settings, 16, channels);
    const expected = await take(load(dataset(), { transform }), 12);
    expect(expected[0]!.pixels.length).toBe(4 * channels * 256);
    for (const [workers, ahead] of [
      [1, 1],
      [3, 4],
    ] as const) {
      const batches = await take(load(dataset(), { transform, workers, ahead }), 12);
      expect(batches).toEqual(expected);
    }
  });

  it("starts at any step with what an uninterrupted run gives there", async () => {
    const all = await take(load(photos), 13);
    for (const step of [1, 5, 11]) expect(await take(load(photos), 13 - step, step)).toEqual(all.slice(step));
  });

  it("augments an image differently every epoch and the same for the same seed", async () => {
    const loader = load(photos);
    const find = (batches: ImageBatch[]) => {
      const batch = batches.find((each) => each.indices.includes(3))!;
      const at = batch.indices.indexOf(3) * 768;
      return Array.from(batch.pixels.subarray(at, at + 768));
    };
    const batches = (await Promise.all([0, 1, 2, 3].map((epoch) => take(loader, 5, epoch * 5)))).filter((epoch) =>
      epoch.some((batch) => batch.indices.includes(3)),
    );
    expect(batches.length).toBeGreaterThan(1);
    expect(find(batches[0]!)).not.toEqual(find(batches[1]!));
  });
});

describe("channels", () => {
  it("makes gray of color and color of gray as the model wants", async () => {
    const [gray] = await take(load(photos, { transform: evaluationTransform(GRAY, 16, 1), training: false }), 1);
    expect(gray!.shape).toEqual([4, 1, 16, 16]);
    const [color] = await take(load(sample, { transform: evaluationTransform({ ...SETTINGS, mean: [0.5] }, 28, 3), training: false }), 1);
    expect(color!.shape).toEqual([4, 3, 28, 28]);
    expect(color!.pixels.subarray(0, 784)).toEqual(color!.pixels.subarray(1568, 2352));
    expect(() => evaluationTransform(SETTINGS, 16, 2)).toThrow(/channels: expected 1 \(gray\) or 3/);
    expect(() => evaluationTransform({ ...SETTINGS, mean: [1, 2] }, 16, 3)).toThrow(/mean: expected 1 or 3 numbers, got 2/);
  });

  it("passes an image of the model's size through evaluation unchanged", async () => {
    const settings = { ...GRAY, evaluationCrop: 1, mean: [0], std: [1] };
    const [batch] = await take(load(sample, { transform: evaluationTransform(settings, 28, 1), training: false }), 1);
    const { data } = await sample.read(2);
    expect(Array.from(batch!.pixels.subarray(2 * 784, 3 * 784))).toEqual(Array.from(data, (value) => Math.fround(value / 255)));
  });
});

describe("unreadable images", () => {
  it("are skipped, named once, and replaced the same way whatever the workers", async () => {
    const dataset = await openImages(await photoFolder("one-broken", 110, [40]));
    const results = [];
    for (const workers of [0, 2]) {
      const skipped: Skipped[] = [];
      const loader = load(dataset, { workers, onSkip: (image) => skipped.push(image) });
      const batches = await take(loader, 2 * loader.stepsPerEpoch);
      expect(skipped.map(({ name }) => name)).toEqual(["dog/040.jpg"]);
      expect(skipped[0]!.error).toMatch(/premature end|truncated or corrupt/);
      expect(loader.skipped).toBe(2);
      expect(batches.every((batch) => batch.names.length === 4 && !batch.names.includes("dog/040.jpg"))).toBe(true);
      results.push(batches);
    }
    expect(results[1]).toEqual(results[0]);
    // Every other image is as if nothing had happened, so the broken one's place in the order is all that changes.
    const whole = load(await openImages(await photoFolder("none-broken", 110)));
    const expected = await take(whole, 2 * whole.stepsPerEpoch);
    const differing = results[0]!.filter((batch, i) => expected[i]!.names.join() !== batch.names.join());
    expect(differing.length).toBe(2);
  });

  it("are left out of evaluation", async () => {
    const dataset = await openImages(await photoFolder("evaluated", 9, [0, 4]));
    const transform = evaluationTransform(SETTINGS, 16, 3);
    const batches = await take(load(dataset, { training: false, transform, workers: 1 }), 9);
    expect(batches.map((batch) => batch.names.length)).toEqual([3, 3, 1]);
    const whole = await take(load(await openImages(await photoFolder("evaluated-whole", 9)), { training: false, transform }), 9);
    const images = (all: ImageBatch[]) =>
      new Map(all.flatMap((batch) => batch.names.map((name, i) => [name, Array.from(batch.pixels.subarray(i * 768, i * 768 + 768))])));
    const expected = images(whole);
    for (const [name, pixels] of images(batches)) expect(pixels).toEqual(expected.get(name));
    expect(images(batches).size).toBe(7);
  });

  it("stop the run once more than 1 % of them failed, at the same step whatever the workers", async () => {
    const dataset = await openImages(await photoFolder("many-broken", 60, [1, 11, 21, 31, 41, 51]));
    const steps: number[] = [];
    for (const workers of [0, 2]) {
      let step = 0;
      const run = async () => {
        for await (const batch of load(dataset, { workers }).from(0)) step = batch.step;
      };
      await expect(run()).rejects.toThrow(/4 of \d+ samples couldn't be read, such as .*\n.*at most 1 %/);
      steps.push(step);
    }
    expect(steps[0]).toBe(steps[1]);
  });

  it("stop at once where there are no others", async () => {
    const dataset = await openImages(await photoFolder("all-broken", 8, [0, 1, 2, 3, 4, 5, 6, 7]));
    await expect(take(load(dataset), 1)).rejects.toThrow(/couldn't be read/);
    const evaluation = load(dataset, { training: false, transform: evaluationTransform(SETTINGS, 16, 3) });
    await expect(take(evaluation, 9)).rejects.toThrow(/couldn't be read/);
    await expect(take(evaluation, 9)).rejects.toThrow(/couldn't be read/);
  });
});

describe("failures and shutdown", () => {
  it("surfaces what goes wrong in a worker", async () => {
    // A fault of the program, not of an image.
    const transform = { ...pretrainTransform(SETTINGS, 16, 3), normalization: null as never };
    await expect(take(load(photos, { transform, workers: 2 }), 1)).rejects.toThrow(/a data worker failed: TypeError.*normalize/s);
  });

  it("rejects what is under way when closed", async () => {
    const loader = load(photos, { workers: 1, ahead: 3 });
    const batches = loader.from(0);
    await batches.next();
    const pending = Promise.all([batches.next(), batches.next(), batches.next(), batches.next(), batches.next(), batches.next()]);
    const outcome = expect(pending).rejects.toThrow(/closed/);
    await loader.close();
    await outcome;
    // It can be used again.
    expect((await take(loader, 1))[0]!.step).toBe(0);
  });

  it("neither keeps a process alive nor lets it end while a batch or the end of the workers is awaited", async () => {
    const folder = join(root, "script-photos");
    await mkdir(folder);
    for (let i = 0; i < photos.size; i++) await copyFile(photos.file(i)!, join(folder, photos.name(i).replace("/", "-")));
    const script = `
      const { openImages, ImageLoader, pretrainTransform } = Object.assign({},
        await import(${JSON.stringify(pathToFileURL("dist/data/image/open.js").href)}),
        await import(${JSON.stringify(pathToFileURL("dist/data/image/loader.js").href)}),
        await import(${JSON.stringify(pathToFileURL("dist/data/image/transform.js").href)}));
      const transform = pretrainTransform(${JSON.stringify(SETTINGS)}, 16, 3);
      const loader = new ImageLoader(await openImages(${JSON.stringify(folder)}), { batchSize: 4, transform, seed: 1, training: true, workers: 2 });
      for (let round = 0; round < 3; round++) {
        for await (const batch of loader.from(0)) if (batch.step === 7) break;
        await loader.close();
      }
      for await (const batch of loader.from(0)) if (batch.step === 7) break;
      console.log("done");
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { timeout: 30_000 });
    expect(stdout).toBe("done\n");
  });
});
