/** IDX files (the format of MNIST and its successors): images and labels, plain or gzipped, held in memory. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { ImageDataset, RawImage } from "./dataset.js";

const IMAGES_MAGIC = 0x00000803;
const LABELS_MAGIC = 0x00000801;
const MAX_BYTES = 2 ** 32 - 1;
const FILE_NAME = /^(train|t10k|test)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?$/;

/** An IDX array of unsigned bytes: its sizes, and the values in row-major order. */
export interface IdxArray {
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** The IDX files of one split. */
export interface IdxFiles {
  readonly images: string;
  readonly labels: string | null;
}

/**
 * Reads an IDX file of unsigned bytes, gzipped or not (told by its first bytes).
 *
 * @param rank 3 for images (count, height, width), 1 for labels
 * @throws a message that begins with the path, where the file is missing, truncated, corrupt, too long or of another kind
 */
export async function readIdx(path: string, rank: 1 | 3): Promise<IdxArray> {
  const stored = await readFile(path).catch((cause: Error) => {
    throw new Error(`${path}: can't be read: ${cause.message}`, { cause });
  });
  const bytes = await decompress(path, stored);
  const expectedMagic = rank === 3 ? IMAGES_MAGIC : LABELS_MAGIC;
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes) throw new Error(`${path}: truncated: ${bytes.length} bytes, but the header alone has ${headerBytes}`);
  const magic = bytes.readUInt32BE(0);
  if (magic !== expectedMagic) {
    const hex = (word: number) => `0x${word.toString(16).padStart(8, "0")}`;
    throw new Error(`${path}: not an IDX file of ${rank === 3 ? "images" : "labels"}: magic ${hex(magic)}, expected ${hex(expectedMagic)}`);
  }
  const dims = Array.from({ length: rank }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  if (dims.includes(0)) throw new Error(`${path}: holds nothing: its header says ${dims.join(" x ")}`);
  const expected = dims.reduce((product, size) => product * size, 1);
  const found = bytes.length - headerBytes;
  if (found !== expected) {
    const problem = found < expected ? "truncated" : "corrupt";
    throw new Error(`${path}: ${problem}: its header says ${dims.join(" x ")} = ${expected} bytes, but ${found} follow`);
  }
  return { dims, data: new Uint8Array(bytes.buffer, bytes.byteOffset + headerBytes, expected) };
}

/** Which IDX splits a folder holds; both null where it isn't an IDX folder. */
export async function findIdx(folder: string): Promise<{ train: IdxFiles | null; test: IdxFiles | null }> {
  // Sorted, so that a plain file comes before its .gz twin and t10k- before test-.
  const names = (await readdir(folder)).filter((name) => FILE_NAME.test(name)).sort();
  const find = (prefixes: string[]): IdxFiles | null => {
    for (const prefix of prefixes) {
      const of = (kind: string) => names.find((name) => name.startsWith(`${prefix}-${kind}`));
      const images = of("images");
      const labels = of("labels");
      if (images !== undefined) return { images: join(folder, images), labels: labels === undefined ? null : join(folder, labels) };
    }
    return null;
  };
  return { train: find(["train"]), test: find(["t10k", "test"]) };
}

/**
 * Opens one split in IDX format. Class names come from `classes`, else from a `classes.txt` beside the files (one name a line), else they
 * are the numbers.
 *
 * @param split prefix of the images' names
 */
export async function openIdx(
  folder: string,
  files: IdxFiles,
  split: "train" | "test",
  classes: readonly string[] | null,
): Promise<ImageDataset> {
  const images = await readIdx(files.images, 3);
  const [size, height, width] = images.dims as [number, number, number];
  const pixels = height * width;
  let labels: Uint8Array | null = null;
  let names: readonly string[] | null = null;
  if (files.labels !== null) {
    const read = await readIdx(files.labels, 1);
    if (read.dims[0] !== size) throw new Error(`${files.labels}: ${read.dims[0]} labels for the ${size} images of ${files.images}`);
    labels = read.data;
    const largest = labels.reduce((a, b) => Math.max(a, b), 0);
    names = classes ?? (await classNames(folder)) ?? Array.from({ length: largest + 1 }, (_, label) => String(label));
    if (largest >= names.length) throw new Error(`${files.labels}: label ${largest}, but there are only ${names.length} classes`);
  }
  const check = (index: number) => {
    if (!Number.isInteger(index) || index < 0 || index >= size) throw new RangeError(`image ${index} is outside 0..${size - 1}`);
    return index;
  };
  return {
    description: `${folder} (IDX ${split}, ${size} images of ${width}x${height}, ${names === null ? "no labels" : `${names.length} classes`})`,
    size,
    classes: names,
    shape: { width, height, channels: 1 },
    label: (index) => (labels === null ? -1 : labels[check(index)]!),
    name: (index) => `${split}/${check(index)}`,
    file: () => null,
    read: async (index): Promise<RawImage> => {
      const start = check(index) * pixels;
      return { width, height, channels: 1, data: images.data.subarray(start, start + pixels) };
    },
  };
}

async function decompress(path: string, stored: Buffer): Promise<Buffer> {
  if (stored[0] !== 0x1f || stored[1] !== 0x8b) return stored;
  return promisify(gunzip)(stored, { maxOutputLength: MAX_BYTES }).catch((cause: Error) => {
    throw new Error(`${path}: truncated or corrupt gzip data: ${cause.message}`, { cause });
  });
}

async function classNames(folder: string): Promise<string[] | null> {
  const text = await readFile(join(folder, "classes.txt"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return text === null
    ? null
    : text
        .split(/\r?\n/)
        .map((line) => line.trim())
        .filter((line) => line !== "");
}
