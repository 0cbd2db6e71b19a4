/** What an image data set is to the rest of the library, and views of one: subsets, balanced subsets, a held-out part. */
import { balancedIndices, holdOutIndices, type LabelledSet } from "../labelled.js";

/** One decoded image: 8 bits a channel, rows from the top, channels last. */
export interface RawImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** (height, width, channels) */
  readonly data: Uint8Array;
}

/** A list of images with optional labels. Reading is a pure function of the index. */
export interface ImageDataset extends LabelledSet {
  /** Size of every image, or null where they differ. */
  readonly shape: { readonly width: number; readonly height: number; readonly channels: 1 | 3 } | null;
  /** A name that finds the image again: its path below the data folder, or `train/17`. */
  name(index: number): string;
  /** The image's file, which workers decode by themselves; null where the images are in memory. */
  file(index: number): string | null;
  /** Decodes one image; rejects where it is unreadable. */
  read(index: number): Promise<RawImage>;
}

/** The images at `indices`, in that order. */
export function subset(dataset: ImageDataset, indices: ArrayLike<number>): ImageDataset {
  const chosen = Int32Array.from(indices);
  for (const index of chosen) {
    if (index < 0 || index >= dataset.size) throw new RangeError(`subset: index ${index} is outside 0..${dataset.size - 1}`);
  }
  const at = (index: number) => {
    const inner = chosen[index];
    if (inner === undefined) throw new RangeError(`image ${index} is outside 0..${chosen.length - 1}`);
    return inner;
  };
  return {
    description: `${chosen.length} of ${dataset.description}`,
    size: chosen.length,
    classes: dataset.classes,
    shape: dataset.shape,
    label: (index) => dataset.label(at(index)),
    name: (index) => dataset.name(at(index)),
    file: (index) => dataset.file(at(index)),
    read: async (index) => dataset.read(at(index)),
  };
}

/**
 * A random subset of `total` images, balanced over the classes; see {@link balancedIndices}.
 *
 * @throws when the set has no labels, or a class has too few images
 */
export function balancedSubset(dataset: ImageDataset, total: number, seed: number): ImageDataset {
  requireClasses(dataset);
  return subset(dataset, balancedIndices(dataset, total, seed));
}

/** Two disjoint parts with (nearly) the same class proportions; see {@link holdOutIndices}. */
export function holdOut(dataset: ImageDataset, fraction: number, seed: number): { rest: ImageDataset; heldOut: ImageDataset } {
  const { rest, heldOut } = holdOutIndices(dataset, fraction, seed);
  return { rest: subset(dataset, rest), heldOut: subset(dataset, heldOut) };
}

/** The class names of a set that must be labelled. */
export function requireClasses(dataset: ImageDataset): readonly string[] {
  if (dataset.classes === null) {
    throw new Error(`${dataset.description}: has no labels\nput the images of each class into a folder of its own: FOLDER/CLASS/IMAGE.jpg`);
  }
  return dataset.classes;
}
