/** IDX reading: the sample set that is shipped, made-up files, and every way a file can be broken. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readIdx } from "../../../src/data/image/idx.js";
import { imageSplits, openImages } from "../../../src/data/image/open.js";

const SAMPLE = "examples/data/fashion-mnist";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "idx-"));
});
afterAll(() => rm(folder, { recursive: true }));

function idx(magic: number, dims: number[], body: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.writeUInt32BE(magic, 0);
  for (const [axis, size] of dims.entries()) header.writeUInt32BE(size, 4 + 4 * axis);
  return Buffer.concat([header, body]);
}
const bytes = (count: number) => Uint8Array.from({ length: count }, (_, i) => (i * 37) % 256);
const images = (count = 5, height = 3, width = 4) => idx(0x803, [count, height, width], bytes(count * height * width));
const labels = (values: number[]) => idx(0x801, [values.length], Uint8Array.from(values));

async function put(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe("the shipped sample set", () => {
  it("has 1,000 training and 200 test images of each class", async () => {
    expect(await imageSplits(SAMPLE)).toEqual(["train", "test"]);
    for (const [split, each] of [
      ["train", 1000],
      ["test", 200],
    ] as const) {
      const set = await openImages(SAMPLE, { split });
      expect(set.size).toBe(each * 10);
      expect(set.shape).toEqual({ width: 28, height: 28, channels: 1 });
      const counts = new Array(10).fill(0);
      for (let i = 0; i < set.size; i++) counts[set.label(i)] += 1;
      expect(counts).toEqual(new Array(10).fill(each));
    }
  });

  it("begins with the images the full set begins with", async () => {
    const set = await openImages(SAMPLE, { split: "train" });
    expect(Array.from({ length: 10 }, (_, i) => set.label(i))).toEqual([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    expect(set.classes![set.label(0)]).toBe("Ankle boot");
    expect(set.name(17)).toBe("train/17");
    const { data } = await set.read(0);
    expect(data.length).toBe(784);
    // The first row of image 0 that isn't empty, as the original file has it.
    expect(Array.from(data.subarray(3 * 28 + 12, 3 * 28 + 20))).toEqual([1, 0, 0, 13, 73, 0, 0, 1]);
  });
});

describe("readIdx", () => {
  it("reads plain and gzipped files alike", async () => {
    const plain = await readIdx(await put("plain", images()), 3);
    const zipped = await readIdx(await put("zipped", gzipSync(images())), 3);
    expect(plain.dims).toEqual([5, 3, 4]);
    expect(Array.from(plain.data)).toEqual(Array.from(bytes(60)));
    expect(zipped).toEqual(plain);
  });

  it.each([
    ["empty", Buffer.alloc(0), /truncated: 0 bytes/],
    ["a cut header", images().subarray(0, 10), /truncated: 10 bytes/],
    ["a cut body", images().subarray(0, -1), /truncated: its header says 5 x 3 x 4 = 60 bytes, but 59 follow/],
    ["bytes too many", Buffer.concat([images(), Buffer.alloc(7)]), /corrupt: its header says 5 x 3 x 4 = 60 bytes, but 67 follow/],
    ["labels in place of images", labels([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]), /not an IDX file of images: magic 0x00000801/],
    ["another format", Buffer.from("PNG, perhaps, or text"), /not an IDX file/],
    ["no images", idx(0x803, [0, 28, 28], bytes(0)), /holds nothing/],
    ["sizes that overflow", idx(0x803, [0xffffffff, 0xffffffff, 0xffffffff], bytes(8)), /truncated: its header says 4294967295 x/],
    ["a cut gzip file", gzipSync(images()).subarray(0, -12), /truncated or corrupt gzip data/],
  ])("refuses %s, naming the file", async (_name, content, message) => {
    const path = await put("broken", content);
    await expect(readIdx(path, 3)).rejects.toThrow(message);
    await expect(readIdx(path, 3)).rejects.toThrow(path);
  });

  it("refuses a missing file", async () => {
    await expect(readIdx(join(folder, "absent"), 3)).rejects.toThrow(/absent: can't be read/);
  });

  it("never takes a gzip file with a changed byte for a good one of other content", async () => {
    const whole = gzipSync(images(20, 7, 7));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(whole);
        changed[at]! ^= flip;
        const path = await put("changed", changed);
        const result = await readIdx(path, 3).catch((error: Error) => error);
        if (result instanceof Error) expect(result.message).toContain(path);
        else expect(Array.from(result.data)).toEqual(Array.from(bytes(20 * 49)));
      }),
      { numRuns: 200 },
    );
  });
});

describe("an IDX folder", () => {
  async function make(files: Record<string, Uint8Array | string>): Promise<string> {
    const path = await mkdtemp(join(folder, "set-"));
    for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
    return path;
  }

  it("takes test- for t10k-, the dotted names, and numbers for missing class names", async () => {
    const path = await make({ "test-images.idx3-ubyte": images(), "test-labels.idx1-ubyte": labels([0, 1, 2, 1, 0]) });
    expect(await imageSplits(path)).toEqual(["test"]);
    const set = await openImages(path, { split: "test" });
    expect(set.classes).toEqual(["0", "1", "2"]);
    expect(Array.from((await set.read(2)).data)).toEqual(Array.from(bytes(60)).slice(24, 36));
    await expect(openImages(path, { split: "train" })).rejects.toThrow(/has no train split/);
    await expect(openImages(path)).rejects.toThrow(/say which/);
    expect(() => set.label(5)).toThrow(RangeError);
    await expect(set.read(-1)).rejects.toThrow(RangeError);
  });

  it("is unlabelled without a labels file", async () => {
    const set = await openImages(await make({ "train-images-idx3-ubyte.gz": gzipSync(images()) }), { split: "train" });
    expect(set.classes).toBeNull();
    expect(set.label(0)).toBe(-1);
  });

  it("refuses labels of another number, and labels beyond the class names", async () => {
    const short = await make({ "train-images-idx3-ubyte": images(), "train-labels-idx1-ubyte": labels([1, 2]) });
    await expect(openImages(short, { split: "train" })).rejects.toThrow(/2 labels for the 5 images/);
    const large = await make({
      "train-images-idx3-ubyte": images(),
      "train-labels-idx1-ubyte": labels([0, 1, 2, 1, 0]),
      "classes.txt": "a\nb\n",
    });
    await expect(openImages(large, { split: "train" })).rejects.toThrow(/label 2, but there are only 2 classes/);
  });
});
