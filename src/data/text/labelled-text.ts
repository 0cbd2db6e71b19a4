/** Labelled texts and pairs of texts: what such a set is, and views of one: subsets, balanced ones, a part held out. */
import { balancedIndices, holdOutIndices, type LabelledSet } from "../labelled.js";

/** A list of texts, or pairs of texts, with a class or a score each. */
export interface LabelledText extends LabelledSet {
  /** Whether each sample has a second text. */
  readonly pairs: boolean;
  /** Whether the samples have scores (regression) instead of classes. */
  readonly scored: boolean;
  /** Rows that were left out because they aren't whole. */
  readonly skipped: number;
  /** File and line. */
  name(index: number): string;
  text(index: number): string;
  /** The second text; null where the set has none. */
  textPair(index: number): string | null;
  /** The score; NaN where there are none. */
  score(index: number): number;
}

/** The texts at `indices`, in that order. */
export function subsetOfText(set: LabelledText, indices: ArrayLike<number>): LabelledText {
  const chosen = Int32Array.from(indices);
  for (const index of chosen) {
    if (index < 0 || index >= set.size) throw new RangeError(`subset: index ${index} is outside 0..${set.size - 1}`);
  }
  const at = (index: number) => {
    const inner = chosen[index];
    if (inner === undefined) throw new RangeError(`text ${index} is outside 0..${chosen.length - 1}`);
    return inner;
  };
  return {
    description: `${chosen.length} of ${set.description}`,
    size: chosen.length,
    classes: set.classes,
    pairs: set.pairs,
    scored: set.scored,
    skipped: set.skipped,
    label: (index) => set.label(at(index)),
    name: (index) => set.name(at(index)),
    text: (index) => set.text(at(index)),
    textPair: (index) => set.textPair(at(index)),
    score: (index) => set.score(at(index)),
  };
}

/** A random subset of `total` texts, balanced over the classes; see {@link balancedIndices}. */
export function balancedTexts(set: LabelledText, total: number, seed: number): LabelledText {
  return subsetOfText(set, balancedIndices(set, total, seed));
}

/** Two disjoint parts with (nearly) the same class proportions; see {@link holdOutIndices}. */
export function holdOutTexts(set: LabelledText, fraction: number, seed: number): { rest: LabelledText; heldOut: LabelledText } {
  const { rest, heldOut } = holdOutIndices(set, fraction, seed);
  return { rest: subsetOfText(set, rest), heldOut: subsetOfText(set, heldOut) };
}
