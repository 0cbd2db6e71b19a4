/** Opens audio data, whichever of the accepted layouts they have. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { findSplits } from "../folder.js";
import type { AudioDataset } from "./dataset.js";
import { type AudioList, datasetOf } from "./entries.js";
import { MAX_SAMPLE_RATE, MIN_SAMPLE_RATE } from "./format.js";
import { AUDIO_FILES, isManifest, readFolder, readManifest } from "./layouts.js";
import { readTable, TABLE_COLUMNS } from "./table.js";

/** The part of a data set: what a model learns from, or what it is judged by (`val` and `test`). */
export type AudioSplit = "train" | "test";

/** What of the data to open, and how. */
export interface OpenAudioOptions {
  /** Which part; may be left out only where the data aren't divided. */
  readonly split?: AudioSplit;
  /** Class names in the order of a model's labels; by default they come from the data. */
  readonly classes?: readonly string[] | null;
  /** What a loader resamples to, in Hz; 16,000 by default. */
  readonly sampleRate?: number;
  /** Clips shorter than so many seconds are left out and counted; 0 by default. */
  readonly minSeconds?: number;
  /** Clips longer than so many seconds are left out and counted; by default there is no limit. */
  readonly maxSeconds?: number;
}

/** The sample rate of the published models. */
export const SAMPLE_RATE = 16_000;

const LISTS = /\.(tsv|csv|jsonl|ndjson)$/i;
const LIST_ENDINGS = ["tsv", "csv", "jsonl", "ndjson"];
const SPLIT_NAMES = { train: ["train", "training"], test: ["val", "valid", "validation", "test", "dev"] } as const;

const LAYOUTS =
  "accepted layouts: FOLDER/CLASS/CLIP.{wav,flac,ogg,mp3}, FOLDER/CLIP without labels, LibriSpeech's FOLDER/SPEAKER/CHAPTER with *.trans.txt, " +
  "each of them also below FOLDER/train and FOLDER/val or FOLDER/test; fairseq's manifest FILE.tsv with FILE.ltr or FILE.wrd; " +
  `FILE.csv, FILE.tsv or FILE.jsonl with columns ${TABLE_COLUMNS}; a folder with such files named train and val or test`;

/** The splits that the data at a path are divided into; empty where they aren't. */
export async function audioSplits(path: string): Promise<AudioSplit[]> {
  const splits = await inspect(path);
  return (["train", "test"] as const).filter((split) => splits[split] !== null);
}

/**
 * Opens the clips at `path`: a folder of files, a manifest or a table (see `docs/data.md`). Durations come from the headers of the files.
 *
 * Data that aren't divided into splits are their own training set; they have no test set, and opened without a split they are taken whole.
 *
 * @throws where the path is missing or empty, has no audio, lacks the split, or is malformed; the message says what is accepted
 */
export async function openAudio(path: string, options: OpenAudioOptions = {}): Promise<AudioDataset> {
  const { split, classes = null, sampleRate = SAMPLE_RATE, minSeconds = 0, maxSeconds = Number.POSITIVE_INFINITY } = options;
  if (!Number.isInteger(sampleRate) || sampleRate < MIN_SAMPLE_RATE || sampleRate > MAX_SAMPLE_RATE) {
    throw new RangeError(`openAudio: sampleRate: expected a whole number from ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE}, got ${sampleRate}`);
  }
  if (!(minSeconds >= 0 && maxSeconds > 0 && minSeconds <= maxSeconds)) {
    throw new RangeError(`openAudio: expected 0 <= minSeconds <= maxSeconds, got ${minSeconds} and ${maxSeconds}`);
  }
  const splits = await inspect(path);
  const divided = splits.train !== null || splits.test !== null;
  if (divided && split === undefined) throw new Error(`${path}: has several parts, say which: split "train" or "test"`);
  if ((divided && splits[split!] === null) || (!divided && split === "test")) {
    const advice = split === "test" ? "hold out a part of the training clips instead" : "give the folder of the clips themselves";
    throw new Error(`${path}: has no ${split} split\n${advice}; ${LAYOUTS}`);
  }
  const part = divided ? join(path, splits[split!]!) : path;
  const list = await readList(part).catch((cause: Error) => {
    throw new Error(`${cause.message}\n${LAYOUTS}`, { cause });
  });
  return datasetOf(list, { classes, sampleRate, minSeconds, maxSeconds });
}

async function readList(path: string): Promise<AudioList> {
  if ((await stat(path)).isDirectory()) return readFolder(path);
  if (/\.tsv$/i.test(path) && (await isManifest(path))) return readManifest(path);
  return readTable(path);
}

/** Where the parts lie: in folders or lists of these names, or (both null) at the path itself. */
async function inspect(path: string): Promise<{ readonly train: string | null; readonly test: string | null }> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const problem = cause.code === "ENOENT" ? "no such file or folder" : cause.message;
    throw new Error(`${path}: ${problem}\n${LAYOUTS}`, { cause });
  });
  if (found.isDirectory()) {
    const entries = await readdir(path);
    const first = (names: readonly string[]) =>
      names.flatMap((name) => LIST_ENDINGS.map((ending) => `${name}.${ending}`)).find((name) => entries.includes(name)) ?? null;
    const lists = { train: first(SPLIT_NAMES.train), test: first(SPLIT_NAMES.test) };
    return lists.train !== null || lists.test !== null ? lists : findSplits(path, AUDIO_FILES);
  }
  if (!LISTS.test(path)) throw new Error(`${path}: is neither a folder nor a list of clips\n${LAYOUTS}`);
  return { train: null, test: null };
}
