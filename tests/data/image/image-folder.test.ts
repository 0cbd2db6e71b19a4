/** Folders of image files: layouts, order, decoding of every kind of picture, and clear errors. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeImage } from "../../../src/data/image/decode.js";
import { imageSplits, openImages } from "../../../src/data/image/open.js";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "images-"));
});
afterAll(() => rm(root, { recursive: true }));

const plain = (color: string, width = 6, height = 4) => sharp({ create: { width, height, channels: 3, background: color } });

/** A folder with these files; each is a small PNG of a color, or the given bytes. */
async function folderOf(files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = await mkdtemp(join(root, "set-"));
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === "string" ? await plain(content).png().toBuffer() : content);
  }
  return folder;
}

const names = (set: { size: number; name(i: number): string }) => Array.from({ length: set.size }, (_, i) => set.name(i));
const labels = (set: { size: number; label(i: number): number }) => Array.from({ length: set.size }, (_, i) => set.label(i));

describe("layouts", () => {
  it("takes the first folder for the class, sorts by code unit, and skips what isn't an image", async () => {
    const folder = await folderOf({
      "b/2.PNG": "red",
      "b/10.jpeg": "red",
      "B/x.webp": "red",
      "a/deep/er/1.jpg": "red",
      "a/.hidden.png": "red",
      ".thumbs/t.png": "red",
      "a/readme.txt": new Uint8Array([1]),
    });
    const set = await openImages(folder);
    expect(names(set)).toEqual(["B/x.webp", "a/deep/er/1.jpg", "b/10.jpeg", "b/2.PNG"]);
    expect(set.classes).toEqual(["B", "a", "b"]);
    expect(labels(set)).toEqual([0, 1, 2, 2]);
    expect(await imageSplits(folder)).toEqual([]);
  });

  it("takes loose images as unlabelled", async () => {
    const set = await openImages(await folderOf({ "b.png": "red", "a.png": "red" }), { split: "train" });
    expect(set.classes).toBeNull();
    expect(names(set)).toEqual(["a.png", "b.png"]);
    expect(labels(set)).toEqual([-1, -1]);
    const mixed = await openImages(await folderOf({ "b.png": "red", "x/a.png": "red" }));
    expect(mixed.classes).toBeNull();
    expect(mixed.size).toBe(2);
  });

  it("chooses splits by folder", async () => {
    const folder = await folderOf({
      "train/a/1.png": "red",
      "train/b/1.png": "red",
      "val/b/2.png": "red",
      "notes/n.txt": new Uint8Array(1),
    });
    expect(await imageSplits(folder)).toEqual(["train", "test"]);
    const train = await openImages(folder, { split: "train" });
    expect(names(train)).toEqual(["a/1.png", "b/1.png"]);
    const test = await openImages(folder, { split: "test", classes: train.classes });
    expect(labels(test)).toEqual([1]);
    await expect(openImages(folder)).rejects.toThrow(/say which: split "train" or "test"/);
  });

  it("takes train for a class where other classes stand beside it", async () => {
    const folder = await folderOf({ "train/1.png": "red", "car/1.png": "red" });
    expect(await imageSplits(folder)).toEqual([]);
    expect((await openImages(folder)).classes).toEqual(["car", "train"]);
    await expect(openImages(folder, { split: "test" })).rejects.toThrow(/has no test split\nhold out/);
  });

  it("follows links, but never in a circle", async () => {
    const folder = await folderOf({ "a/1.png": "red" });
    await symlink(folder, join(folder, "a", "circle"));
    await symlink(join(folder, "nowhere"), join(folder, "a", "dangling.png"));
    await symlink(join(folder, "a", "1.png"), join(folder, "a", "2.png"));
    expect(names(await openImages(folder))).toEqual(["a/1.png", "a/2.png"]);
  });

  it("says what is accepted where there is nothing to read", async () => {
    const layouts = /accepted layouts: FOLDER\/CLASS\/IMAGE/;
    await expect(openImages(join(root, "absent"))).rejects.toThrow(/absent: no such folder/);
    await expect(openImages(join(root, "absent"))).rejects.toThrow(layouts);
    const empty = await folderOf({});
    await expect(openImages(empty)).rejects.toThrow(/no .jpg, .jpeg, .png or .webp image found; it is empty/);
    await expect(openImages(empty)).rejects.toThrow(layouts);
    const others = await folderOf({ "a/x.bmp": new Uint8Array(3) });
    await expect(openImages(others)).rejects.toThrow(/it has 1 other files, such as a\/x.bmp/);
    const file = join(await folderOf({ "a.png": "red" }), "a.png");
    await expect(openImages(file)).rejects.toThrow(/is a file/);
    const known = await folderOf({ "cat/1.png": "red" });
    await expect(openImages(known, { classes: ["dog", "cow"] })).rejects.toThrow(/cat: no such class; the classes are dog, cow/);
  });
});

describe("decodeImage", () => {
  async function decode(bytes: Uint8Array) {
    const path = join(root, "picture");
    await writeFile(path, bytes);
    return decodeImage(path);
  }
  const pixel = (data: Uint8Array, index: number) => Array.from(data.subarray(index * 3, index * 3 + 3));

  it.each(["png", "webp", "jpeg"] as const)("decodes %s of an odd size", async (format) => {
    const image = await decode(await plain("#3264c8", 7, 3)[format]({ lossless: true, quality: 100 }).toBuffer());
    expect([image.width, image.height, image.channels, image.data.length]).toEqual([7, 3, 3, 63]);
    for (const [channel, value] of [0x32, 0x64, 0xc8].entries()) expect(Math.abs(image.data[30 + channel]! - value)).toBeLessThanOrEqual(2);
  });

  it("replicates gray, of 8 and of 16 bits", async () => {
    const values = Uint16Array.from([0, 0x1234, 0x8000, 0xffff]);
    const deep = await sharp(values, { raw: { width: 4, height: 1, channels: 1 } })
      .toColourspace("grey16")
      .png()
      .toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe("ushort");
    const image = await decode(deep);
    expect([0, 1, 2, 3].map((i) => pixel(image.data, i))).toEqual([0, 0x12, 0x80, 0xff].map((v) => [v, v, v]));
    const gray = sharp(Uint8Array.from([0, 9, 200, 255]), { raw: { width: 4, height: 1, channels: 1 } }).toColourspace("b-w");
    expect(pixel((await decode(await gray.png().toBuffer())).data, 2)).toEqual([200, 200, 200]);
  });

  it("reduces 16-bit color to 8 bits", async () => {
    const values = Uint16Array.from([0x0100, 0x8000, 0xffff]);
    const deep = await sharp(values, { raw: { width: 1, height: 1, channels: 3 } })
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe("ushort");
    expect(pixel((await decode(deep)).data, 0)).toEqual([1, 128, 255]);
  });

  it("flattens transparency on white", async () => {
    const rgba = Uint8Array.from([200, 100, 0, 0, 200, 100, 0, 255]);
    const image = await decode(
      await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
        .png()
        .toBuffer(),
    );
    expect([pixel(image.data, 0), pixel(image.data, 1)]).toEqual([
      [255, 255, 255],
      [200, 100, 0],
    ]);
  });

  it("applies the EXIF orientation", async () => {
    const picture = sharp(Uint8Array.from([255, 0, 0, 0, 0, 255]), { raw: { width: 2, height: 1, channels: 3 } });
    const image = await decode(await picture.withMetadata({ orientation: 6 }).png().toBuffer());
    expect([image.width, image.height]).toEqual([1, 2]);
    expect([pixel(image.data, 0), pixel(image.data, 1)]).toEqual([
      [255, 0, 0],
      [0, 0, 255],
    ]);
  });

  it("converts CMYK", async () => {
    const bytes = await plain("#ff0000").toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe("cmyk");
    const [red, green, blue] = pixel((await decode(bytes)).data, 0);
    expect(red).toBeGreaterThan(200);
    expect(Math.max(green!, blue!)).toBeLessThan(60);
  });

  it("rejects truncated, empty and foreign files with one line", async () => {
    const noise = Buffer.from(Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * 7919) % 251));
    const picture = () => sharp(noise, { raw: { width: 64, height: 48, channels: 3 } });
    for (const format of ["jpeg", "png", "webp"] as const) {
      const whole = await picture()[format]().toBuffer();
      await expect(decode(whole)).resolves.toMatchObject({ width: 64, height: 48 });
      for (const keep of [0, 4, 30, Math.floor(whole.length / 2), Math.floor(whole.length * 0.9)]) {
        const error = await decode(whole.subarray(0, keep)).catch((e: Error) => e);
        expect(error, `${format} cut to ${keep} bytes`).toBeInstanceOf(Error);
        expect((error as Error).message).not.toContain("\n");
      }
    }
    await expect(decode(await readFile("package.json"))).rejects.toThrow(/unsupported image format/);
    await expect(decodeImage(join(root, "absent.png"))).rejects.toThrow(/ENOENT/);
  });
});
