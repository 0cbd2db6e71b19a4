/** Makes a data set of a list of files: durations from headers, limits of duration, labels by class. */
import { numberClasses } from "../folder.js";
import { Lanes } from "../lanes.js";
import type { AudioDataset } from "./dataset.js";
import { decodeAudioFile, probeAudioFile } from "./decode.js";
import { resampledLength } from "./resample.js";

/** One clip of a list. */
export interface AudioEntry {
  readonly name: string;
  readonly file: string;
  /** The name of its class, or null. */
  readonly label: string | null;
  readonly transcript: string | null;
  /** Samples at the file's own rate, where the list tells. */
  readonly frames?: number;
}

/** Files in some layout. */
export interface AudioList {
  /** The folder or file that was opened. */
  readonly path: string;
  readonly entries: readonly AudioEntry[];
}

/** How a set is opened. */
export interface EntryOptions {
  /** Class names in the order of a model's labels, or null to take those of the data, sorted. */
  readonly classes: readonly string[] | null;
  readonly sampleRate: number;
  /** Shorter clips are left out. */
  readonly minSeconds: number;
  /** Longer clips are left out. */
  readonly maxSeconds: number;
}

/** Files looked at at once. */
const LANES = 32;

/**
 * The data set of a list of files.
 *
 * @throws where none of the files is there, a class is unknown, some clips have labels and others none, or the limits leave no clip
 */
export async function datasetOf(list: AudioList, options: EntryOptions): Promise<AudioDataset> {
  const { path } = list;
  const { sampleRate } = options;
  const durations = await durationsOf(list, sampleRate);
  const outside = { short: 0, long: 0 };
  const kept: number[] = [];
  for (const [index, duration] of durations.entries()) {
    if (duration > 0 && duration < options.minSeconds * sampleRate) outside.short += 1;
    else if (duration > options.maxSeconds * sampleRate) outside.long += 1;
    else kept.push(index);
  }
  if (kept.length === 0) {
    throw new Error(
      `${path}: no clip lasts from ${options.minSeconds} to ${options.maxSeconds} s: ${outside.short} are shorter, ${outside.long} longer`,
    );
  }
  const entries = kept.map((index) => list.entries[index]!);
  const { classes, labels } = labelsOf(path, entries, options.classes);
  const lengths = Float64Array.from(kept, (index) => durations[index]!);
  const hours = lengths.reduce((sum, samples) => sum + samples, 0) / sampleRate / 3600;
  const transcribed = entries.every(({ transcript }) => transcript !== null);
  const entry = (index: number) => {
    const found = entries[index];
    if (found === undefined) throw new RangeError(`clip ${index} is outside 0..${entries.length - 1}`);
    return found;
  };
  return {
    description: `${path} (${describe(entries.length, hours, classes, transcribed)})`,
    size: entries.length,
    classes,
    sampleRate,
    transcribed,
    dropped: outside,
    label: (index) => labels[index] ?? -1,
    name: (index) => entry(index).name,
    file: (index) => entry(index).file,
    duration: (index) => lengths[index] ?? 0,
    transcript: (index) => entry(index).transcript,
    read: async (index) => decodeAudioFile(entry(index).file),
  };
}

function describe(clips: number, hours: number, classes: readonly string[] | null, transcribed: boolean): string {
  const length = hours < 1 ? `${(hours * 60).toFixed(1)} minutes` : `${hours.toFixed(1)} hours`;
  const labels = classes === null ? (transcribed ? "transcripts" : "no labels") : `${classes.length} classes`;
  return `${clips} clips, ${length}, ${labels}`;
}

/** Samples at the rate of the set, 0 where the headers can't be read. */
async function durationsOf({ path, entries }: AudioList, sampleRate: number): Promise<Float64Array> {
  const lanes = new Lanes(LANES);
  let missing = 0;
  const probe = async ({ file }: AudioEntry) =>
    probeAudioFile(file).catch((error: NodeJS.ErrnoException) => {
      // Counted as unreadable when its turn comes in training.
      if (error.code === "ENOENT") missing += 1;
      return null;
    });
  // A manifest tells the number of samples, but not their rate: that of the first file there.
  const told = entries.some(({ frames }) => frames !== undefined) ? await firstRate(entries, probe) : null;
  const durations = await Promise.all(
    entries.map((entry) =>
      entry.frames !== undefined && told !== null
        ? resampledLength(entry.frames, told, sampleRate)
        : lanes.run(async () => {
            const info = await probe(entry);
            return info === null ? 0 : resampledLength(info.frames, info.sampleRate, sampleRate);
          }),
    ),
  );
  if (missing > 0 && missing >= entries.length) {
    throw new Error(`${path}: none of its ${entries.length} files is there, such as ${entries[0]!.file}`);
  }
  return Float64Array.from(durations);
}

async function firstRate(
  entries: readonly AudioEntry[],
  probe: (entry: AudioEntry) => Promise<{ readonly sampleRate: number } | null>,
): Promise<number | null> {
  for (const entry of entries) {
    const info = await probe(entry);
    if (info !== null) return info.sampleRate;
  }
  return null;
}

function labelsOf(path: string, entries: readonly AudioEntry[], classes: readonly string[] | null) {
  if (entries.every(({ label }) => label === null)) return { classes: null, labels: new Int32Array(entries.length).fill(-1) };
  const unlabelled = entries.find(({ label }) => label === null);
  if (unlabelled !== undefined) throw new Error(`${path}: ${unlabelled.name}: has no label, others have`);
  const labels = entries.map(({ label }) => label!);
  const names = classes ?? [...new Set(labels)].sort();
  return { classes: names, labels: numberClasses(labels, names, (index) => `${path}: ${entries[index]!.name}: ${labels[index]}`) };
}
