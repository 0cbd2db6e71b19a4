/** Folders of image files: `CLASS/IMAGE.jpg` with labels, loose images without; optionally below `train/` and `val/` or `test/`. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ImageDataset } from "./dataset.js";
import { decodeImage } from "./decode.js";

const EXTENSIONS = /\.(jpe?g|png|webp)$/i;
const SPLIT_NAMES = { train: ["train", "training"], test: ["val", "valid", "validation", "test"] } as const;

/** Where the images of a folder lie: in split folders of these names, or (both null) in the folder itself. */
export interface FolderSplits {
  readonly train: string | null;
  readonly test: string | null;
}

/**
 * Tells whether a folder is divided into splits: it has a `train` (or `training`) or `val`, `valid`, `validation`, `test` sub-folder, and no
 * image anywhere outside of these. Where several test folders are there, the first in that order counts.
 */
export async function findSplits(folder: string): Promise<FolderSplits> {
  const entries = (await readdir(folder)).filter(isVisible);
  const splitNames: readonly string[] = [...SPLIT_NAMES.train, ...SPLIT_NAMES.test];
  const first = async (names: readonly string[]) => {
    for (const name of names) {
      if (entries.includes(name) && (await stat(join(folder, name))).isDirectory()) return name;
    }
    return null;
  };
  const found = { train: await first(SPLIT_NAMES.train), test: await first(SPLIT_NAMES.test) };
  if (found.train === null && found.test === null) return found;
  for (const name of entries.filter((entry) => !splitNames.includes(entry))) {
    if ((await listImages(folder, name)).images.length > 0) return { train: null, test: null };
  }
  return found;
}

/**
 * Opens a folder of images. The class of an image is the first folder below `folder` on its path, classes and images sorted by code unit;
 * where an image lies directly in `folder`, the whole set counts as unlabelled.
 *
 * @param classes class names that give the labels their numbers (those of the training set), or null to take them from the folders
 * @throws where there is no image, or one in a folder that isn't among `classes`
 */
export async function openImageFolder(folder: string, classes: readonly string[] | null): Promise<ImageDataset> {
  const { images, others } = await listImages(folder, "");
  if (images.length === 0) {
    const hint = others.length === 0 ? "it is empty" : `it has ${others.length} other files, such as ${others[0]}`;
    throw new Error(`${folder}: no .jpg, .jpeg, .png or .webp image found; ${hint}`);
  }
  images.sort();

  let names: readonly string[] | null = null;
  const labels = new Int32Array(images.length).fill(-1);
  if (images.every((path) => path.includes("/"))) {
    const folders = images.map((path) => path.slice(0, path.indexOf("/")));
    names = classes ?? [...new Set(folders)].sort();
    const numbers = new Map(names.map((name, label) => [name, label]));
    for (const [index, name] of folders.entries()) {
      const label = numbers.get(name);
      if (label === undefined) {
        throw new Error(`${folder}/${name}: no such class; the classes are ${summary(names)}`);
      }
      labels[index] = label;
    }
  }
  const path = (index: number) => {
    const found = images[index];
    if (found === undefined) throw new RangeError(`image ${index} is outside 0..${images.length - 1}`);
    return found;
  };
  return {
    description: `${folder} (${images.length} images, ${names === null ? "no labels" : `${names.length} classes`})`,
    size: images.length,
    classes: names,
    shape: null,
    label: (index) => labels[index] ?? -1,
    name: path,
    file: (index) => join(folder, path(index)),
    read: async (index) => decodeImage(join(folder, path(index))),
  };
}

/** Images and other files below `root/below`, as paths relative to `root` with forward slashes. Links are followed, each folder once. */
async function listImages(root: string, below: string): Promise<{ images: string[]; others: string[] }> {
  const images: string[] = [];
  const others: string[] = [];
  const visited = new Set<string>();
  const visit = async (path: string): Promise<void> => {
    const full = join(root, path);
    // A dangling link is not an image; anything else that can't be looked at is an error.
    const found = await stat(full).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (found?.isDirectory()) {
      const real = await realpath(full);
      if (visited.has(real)) return;
      visited.add(real);
      await visitFolder(path);
    } else if (found?.isFile()) {
      (EXTENSIONS.test(path) ? images : others).push(path);
    }
  };
  const visitFolder = async (path: string): Promise<void> => {
    const entries = await readdir(join(root, path), { withFileTypes: true });
    for (const entry of entries) {
      if (!isVisible(entry.name)) continue;
      const child = path === "" ? entry.name : `${path}/${entry.name}`;
      // No look at each plain file: a million of them is usual.
      if (entry.isFile()) (EXTENSIONS.test(entry.name) ? images : others).push(child);
      else await visit(child);
    }
  };
  await visit(below);
  return { images, others };
}

function isVisible(name: string): boolean {
  return !name.startsWith(".") && name !== "__MACOSX";
}

function summary(names: readonly string[]): string {
  return names.length <= 8 ? names.join(", ") : `${names.slice(0, 8).join(", ")} and ${names.length - 8} more`;
}
