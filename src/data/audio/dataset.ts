/** What an audio data set is to the rest of the library, and views of one: subsets, balanced subsets, a held-out part. */
import { balancedIndices, holdOutIndices, type LabelledSet } from "../labelled.js";
import type { RawAudio } from "./decode.js";

/** A list of clips with optional labels and transcripts. Reading is a pure function of the index. */
export interface AudioDataset extends LabelledSet {
  /** What durations are counted at, in Hz, and what a loader resamples to. */
  readonly sampleRate: number;
  /** True where every clip has a transcript. */
  readonly transcribed: boolean;
  /** Clips left out when the set was opened. */
  readonly dropped: DroppedClips;
  /** A name that finds the clip again: its path below the data folder, or as a manifest has it. */
  name(index: number): string;
  /** The clip's file, which workers decode by themselves; null where the clips are in memory. */
  file(index: number): string | null;
  /** Samples at `sampleRate`, from the file's headers or a manifest; 0 where it isn't known because the headers are damaged. */
  duration(index: number): number;
  /** What is said, in words; null where there is no transcript. */
  transcript(index: number): string | null;
  /** Decodes one clip at its own rate; rejects where it is unreadable. */
  read(index: number): Promise<RawAudio>;
}

/** Clips outside of the limits of duration. */
export interface DroppedClips {
  readonly short: number;
  readonly long: number;
}

/** The clips at `indices`, in that order. */
export function subset(dataset: AudioDataset, indices: ArrayLike<number>): AudioDataset {
  const chosen = Int32Array.from(indices);
  for (const index of chosen) {
    if (index < 0 || index >= dataset.size) throw new RangeError(`subset: index ${index} is outside 0..${dataset.size - 1}`);
  }
  const at = (index: number) => {
    const inner = chosen[index];
    if (inner === undefined) throw new RangeError(`clip ${index} is outside 0..${chosen.length - 1}`);
    return inner;
  };
  return {
    description: `${chosen.length} of ${dataset.description}`,
    size: chosen.length,
    classes: dataset.classes,
    sampleRate: dataset.sampleRate,
    transcribed: dataset.transcribed,
    dropped: dataset.dropped,
    label: (index) => dataset.label(at(index)),
    name: (index) => dataset.name(at(index)),
    file: (index) => dataset.file(at(index)),
    duration: (index) => dataset.duration(at(index)),
    transcript: (index) => dataset.transcript(at(index)),
    read: async (index) => dataset.read(at(index)),
  };
}

/**
 * A random subset of `total` clips, balanced over the classes; see {@link balancedIndices}.
 *
 * @throws when the set has no labels, or a class has too few clips
 */
export function balancedSubset(dataset: AudioDataset, total: number, seed: number): AudioDataset {
  requireClasses(dataset);
  return subset(dataset, balancedIndices(dataset, total, seed));
}

/** Two disjoint parts with (nearly) the same class proportions; see {@link holdOutIndices}. */
export function holdOut(dataset: AudioDataset, fraction: number, seed: number): { rest: AudioDataset; heldOut: AudioDataset } {
  const { rest, heldOut } = holdOutIndices(dataset, fraction, seed);
  return { rest: subset(dataset, rest), heldOut: subset(dataset, heldOut) };
}

/** The class names of a set that must be labelled. */
export function requireClasses(dataset: AudioDataset): readonly string[] {
  if (dataset.classes === null) {
    throw new Error(
      `${dataset.description}: has no labels\nput the clips of each class into a folder of its own, FOLDER/CLASS/CLIP.wav, ` +
        "or give a CSV, TSV or JSONL file with a column label",
    );
  }
  return dataset.classes;
}

/**
 * The transcripts of a set that must have them, by index.
 *
 * @throws where a clip has none
 */
export function requireTranscripts(dataset: AudioDataset): string[] {
  return Array.from({ length: dataset.size }, (_, index) => {
    const transcript = dataset.transcript(index);
    if (transcript !== null) return transcript;
    throw new Error(
      `${dataset.description}: ${dataset.name(index)} has no transcript\ngive a CSV, TSV or JSONL file with a column text, a manifest ` +
        "with its .ltr or .wrd, or LibriSpeech's folders",
    );
  });
}

/** Clips that are in memory, as an audio data set. */
export interface ClipsInMemory {
  readonly clips: readonly RawAudio[];
  /** What to resample to, in Hz. */
  readonly sampleRate: number;
  /** Class names by label, with the label of each clip. */
  readonly classes?: readonly string[];
  readonly labels?: ArrayLike<number>;
  readonly transcripts?: readonly string[];
}

/**
 * A data set of clips that are in memory.
 *
 * @throws where there is no clip, or labels or transcripts don't match the clips
 */
export function audioInMemory({ clips, sampleRate, classes, labels, transcripts }: ClipsInMemory): AudioDataset {
  const size = clips.length;
  if (size === 0) throw new Error("audioInMemory: clips: expected at least one, got none");
  if ((classes === undefined) !== (labels === undefined)) throw new Error("audioInMemory: expected classes and labels, got one of the two");
  for (const [name, list] of Object.entries({ labels, transcripts })) {
    if (list !== undefined && list.length !== size) throw new Error(`audioInMemory: ${name}: expected ${size}, got ${list.length}`);
  }
  for (const label of Array.from(labels ?? [])) {
    if (classes?.[label] === undefined) throw new RangeError(`audioInMemory: label ${label} is outside 0..${classes!.length - 1}`);
  }
  const clip = (index: number) => {
    const found = clips[index];
    if (found === undefined) throw new RangeError(`clip ${index} is outside 0..${size - 1}`);
    return found;
  };
  return {
    description: `${size} clips in memory`,
    size,
    classes: classes ?? null,
    sampleRate,
    transcribed: transcripts !== undefined,
    dropped: { short: 0, long: 0 },
    label: (index) => labels?.[index] ?? -1,
    name: (index) => `clip ${index}`,
    file: () => null,
    duration: (index) => Math.ceil((clip(index).samples.length * sampleRate) / clip(index).sampleRate),
    transcript: (index) => transcripts?.[index] ?? null,
    read: async (index) => clip(index),
  };
}
