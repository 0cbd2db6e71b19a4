/** Opens a folder of images, whichever of the accepted layouts it has. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ImageDataset } from "./dataset.js";
import { findIdx, openIdx } from "./idx.js";
import { findImageSplits, openImageFolder } from "./image-folder.js";

/** The part of a data set: what a model learns from, or what it is judged by (`val` and `test` folders, `t10k-` files). */
export type Split = "train" | "test";

const LAYOUTS =
  "accepted layouts: FOLDER/CLASS/IMAGE.{jpg,jpeg,png,webp}, FOLDER/IMAGE without labels, either of them below FOLDER/train and " +
  "FOLDER/val or FOLDER/test, or IDX files FOLDER/{train,t10k}-images-idx3-ubyte[.gz] with labels-idx1-ubyte[.gz]";

/** The splits a folder is divided into; empty where it isn't. */
export async function imageSplits(path: string): Promise<Split[]> {
  const { idx, folders } = await inspect(path);
  const has = idx ?? folders;
  return (["train", "test"] as const).filter((split) => has[split] !== null);
}

/**
 * Opens the images at `path`: IDX files or a folder of image files, with or without labels (see `docs/data.md`).
 *
 * A folder that isn't divided into splits is its own training set; it has no test set, and opened without a split it is taken whole.
 *
 * @param options.split which part; may be left out only where the folder isn't divided
 * @param options.classes class names in the order of a model's labels; by default they come from the data
 * @throws where the folder is missing or empty, has no image, or lacks the split; the message says what is accepted
 */
export async function openImages(
  path: string,
  options: { readonly split?: Split; readonly classes?: readonly string[] | null } = {},
): Promise<ImageDataset> {
  const { split } = options;
  const classes = options.classes ?? null;
  const { idx, folders } = await inspect(path);
  const has = idx ?? folders;
  const divided = has.train !== null || has.test !== null;
  if (divided && split === undefined) throw new Error(`${path}: has several parts, say which: split "train" or "test"`);
  if ((divided && has[split!] === null) || (!divided && split === "test")) {
    const advice = split === "test" ? "hold out a part of the training images instead" : "give the folder of the images themselves";
    throw new Error(`${path}: has no ${split} split\n${advice}; ${LAYOUTS}`);
  }
  if (idx !== null) return openIdx(path, idx[split!]!, split!, classes);
  const folder = divided ? join(path, folders[split!]!) : path;
  return openImageFolder(folder, classes).catch((cause: Error) => {
    throw new Error(`${cause.message}\n${LAYOUTS}`, { cause });
  });
}

async function inspect(path: string) {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const problem = cause.code === "ENOENT" ? "no such folder" : cause.message;
    throw new Error(`${path}: ${problem}\n${LAYOUTS}`, { cause });
  });
  if (!found.isDirectory()) throw new Error(`${path}: is a file, but a folder is needed\n${LAYOUTS}`);
  const idx = await findIdx(path);
  const isIdx = idx.train !== null || idx.test !== null;
  return { idx: isIdx ? idx : null, folders: isIdx ? { train: null, test: null } : await findImageSplits(path) };
}
