/** Subsets of labelled sets of any kind of data: balanced ones, and a part held out. */
import { Philox } from "../backend/philox.js";

/** What a set must tell to be divided by its labels. */
export interface LabelledSet {
  /** For people: what it is, where it is, how large. */
  readonly description: string;
  readonly size: number;
  /** Class names by label, or null where the samples carry no labels. */
  readonly classes: readonly string[] | null;
  /** The class of a sample, -1 where there are no labels. */
  label(index: number): number;
}

/**
 * Indices of a random subset of `total` samples with as many of each class as divides out; where it doesn't divide, some classes (drawn at
 * random) get one more. The subset of a smaller total at the same seed lies within that of a larger one when both divide by the number of
 * classes.
 *
 * @throws when the set has no labels, or a class has too few samples
 */
export function balancedIndices(set: LabelledSet, total: number, seed: number): number[] {
  if (set.classes === null) throw new Error(`${set.description}: has no labels`);
  const { classes } = set;
  if (!Number.isInteger(total) || total < 1) throw new RangeError(`balancedSubset: total: expected a positive integer, got ${total}`);
  const quota = new Array<number>(classes.length).fill(Math.floor(total / classes.length));
  const order = new Philox(seed, "balancedExtra").shuffle(classes.map((_, label) => label));
  for (const label of order.slice(0, total % classes.length)) quota[label]! += 1;

  const members = shuffledMembers(set, seed, "balancedSubset");
  return quota
    .flatMap((count, label) => {
      const found = members.get(label) ?? [];
      if (found.length < count) {
        throw new Error(`balancedSubset: class ${classes[label]} has ${found.length} samples, but ${total} in all need ${count} of it`);
      }
      return found.slice(0, count);
    })
    .sort((a, b) => a - b);
}

/** Two disjoint parts with (nearly) the same class proportions: `heldOut` has about `fraction` of every class, `rest` the others. */
export function holdOutIndices(set: LabelledSet, fraction: number, seed: number): { rest: number[]; heldOut: number[] } {
  if (!(fraction > 0 && fraction < 1)) throw new RangeError(`holdOut: fraction: expected a number between 0 and 1, got ${fraction}`);
  const heldOut: number[] = [];
  const rest: number[] = [];
  for (const [label, members] of shuffledMembers(set, seed, "holdOut")) {
    // Rounding at a random point keeps the expected share exact for classes of a few samples.
    const count = Math.floor(members.length * fraction + new Philox(seed, "holdOutRounding", label + 1).uniform());
    heldOut.push(...members.slice(0, count));
    rest.push(...members.slice(count));
  }
  if (heldOut.length === 0 || rest.length === 0) {
    throw new Error(`holdOut: ${set.size} samples are too few to hold out ${fraction} of them`);
  }
  const ascending = (a: number, b: number) => a - b;
  return { rest: rest.sort(ascending), heldOut: heldOut.sort(ascending) };
}

/** Indices by label, each list in a random order that depends on (seed, purpose, label) alone. */
function shuffledMembers(set: LabelledSet, seed: number, purpose: string): Map<number, number[]> {
  const members = new Map<number, number[]>();
  for (let index = 0; index < set.size; index++) {
    const label = set.label(index);
    const list = members.get(label);
    if (list === undefined) members.set(label, [index]);
    else list.push(index);
  }
  for (const [label, list] of members) new Philox(seed, purpose, label + 1).shuffle(list);
  return members;
}
