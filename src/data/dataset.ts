/** What an image data set is to the rest of the library, and views of one: subsets, balanced subsets, a held-out part. */
import { Philox } from "../backend/philox.js";

/** One decoded image: 8 bits a channel, rows from the top, channels last. */
export interface RawImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** (height, width, channels) */
  readonly data: Uint8Array;
}

/** A list of images with optional labels. Reading is a pure function of the index. */
export interface ImageDataset {
  /** For people: what it is, where it is, how large. */
  readonly description: string;
  readonly size: number;
  /** Class names by label, or null where the images carry no labels. */
  readonly classes: readonly string[] | null;
  /** Size of every image, or null where they differ. */
  readonly shape: { readonly width: number; readonly height: number; readonly channels: 1 | 3 } | null;
  /** The class of an image, -1 where there are no labels. */
  label(index: number): number;
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
 * A random subset of `total` images with as many of each class as divides out; where it doesn't divide, some classes (drawn at random) get
 * one more. The subset of a smaller total at the same seed lies within that of a larger one when both divide by the number of classes.
 *
 * @throws when the set has no labels, or a class has too few images
 */
export function balancedSubset(dataset: ImageDataset, total: number, seed: number): ImageDataset {
  return subset(dataset, balancedIndices(dataset, total, seed));
}

/** Two disjoint parts with (nearly) the same class proportions: `heldOut` has about `fraction` of every class, `rest` the others. */
export function holdOut(dataset: ImageDataset, fraction: number, seed: number): { rest: ImageDataset; heldOut: ImageDataset } {
  if (!(fraction > 0 && fraction < 1)) throw new RangeError(`holdOut: fraction: expected a number between 0 and 1, got ${fraction}`);
  const held: number[] = [];
  const rest: number[] = [];
  for (const [label, members] of shuffledMembers(dataset, seed, "holdOut")) {
    // Rounding at a random point keeps the expected share exact for classes of a few images.
    const count = Math.floor(members.length * fraction + new Philox(seed, "holdOutRounding", label + 1).uniform());
    held.push(...members.slice(0, count));
    rest.push(...members.slice(count));
  }
  if (held.length === 0 || rest.length === 0) {
    throw new Error(`holdOut: ${dataset.size} images are too few to hold out ${fraction} of them`);
  }
  const ascending = (a: number, b: number) => a - b;
  return { rest: subset(dataset, rest.sort(ascending)), heldOut: subset(dataset, held.sort(ascending)) };
}

/** The class names of a set that must be labelled. */
export function requireClasses(dataset: ImageDataset): readonly string[] {
  if (dataset.classes === null) {
    throw new Error(`${dataset.description}: has no labels\nput the images of each class into a folder of its own: FOLDER/CLASS/IMAGE.jpg`);
  }
  return dataset.classes;
}

function balancedIndices(dataset: ImageDataset, total: number, seed: number): number[] {
  const classes = requireClasses(dataset);
  if (!Number.isInteger(total) || total < 1) throw new RangeError(`balancedSubset: total: expected a positive integer, got ${total}`);
  const quota = new Array<number>(classes.length).fill(Math.floor(total / classes.length));
  const order = new Philox(seed, "balancedExtra").shuffle(classes.map((_, label) => label));
  for (const label of order.slice(0, total % classes.length)) quota[label]! += 1;

  const members = shuffledMembers(dataset, seed, "balancedSubset");
  return quota
    .flatMap((count, label) => {
      const found = members.get(label) ?? [];
      if (found.length < count) {
        throw new Error(`balancedSubset: class ${classes[label]} has ${found.length} images, but ${total} in all need ${count} of it`);
      }
      return found.slice(0, count);
    })
    .sort((a, b) => a - b);
}

/** Indices by label, each list in a random order that depends on (seed, purpose, label) alone. */
function shuffledMembers(dataset: ImageDataset, seed: number, purpose: string): Map<number, number[]> {
  const members = new Map<number, number[]>();
  for (let index = 0; index < dataset.size; index++) {
    const label = dataset.label(index);
    const list = members.get(label);
    if (list === undefined) members.set(label, [index]);
    else list.push(index);
  }
  for (const [label, list] of members) new Philox(seed, purpose, label + 1).shuffle(list);
  return members;
}
