/** Folders of image files: `CLASS/IMAGE.jpg` with labels, loose images without; optionally below `train/` and `val/` or `test/`. */
import { join } from "node:path";
import { type FolderSplits, findSplits, folderLabels, listFiles } from "../folder.js";
import type { ImageDataset } from "./dataset.js";
import { decodeImage } from "./decode.js";

const EXTENSIONS = /\.(jpe?g|png|webp)$/i;

/** The splits of a folder of images; see {@link findSplits}. */
export function findImageSplits(folder: string): Promise<FolderSplits> {
  return findSplits(folder, EXTENSIONS);
}

/**
 * Opens a folder of images. The class of an image is the first folder below `folder` on its path, classes and images sorted by code unit;
 * where an image lies directly in `folder`, the whole set counts as unlabelled.
 *
 * @param classes class names that give the labels their numbers (those of the training set), or null to take them from the folders
 * @throws where there is no image, or one in a folder that isn't among `classes`
 */
export async function openImageFolder(folder: string, classes: readonly string[] | null): Promise<ImageDataset> {
  const { found: images, others } = await listFiles(folder, EXTENSIONS);
  if (images.length === 0) {
    const hint = others.length === 0 ? "it is empty" : `it has ${others.length} other files, such as ${others[0]}`;
    throw new Error(`${folder}: no .jpg, .jpeg, .png or .webp image found; ${hint}`);
  }
  const { classes: names, labels } = folderLabels(folder, images, classes);
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
