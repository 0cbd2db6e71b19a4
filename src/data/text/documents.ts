/** The sentences of a corpus in order, with the ends of its documents: plain text, JSON lines or Parquet, one file or many. */
import { readParquet } from "./parquet.js";
import { type DataFile, findFiles, type OnInvalid, readLines } from "./text-files.js";

/** What a corpus may be made of. */
export const CORPUS_FORMATS =
  "accepted: .txt (a sentence or paragraph a line, a blank line between documents), .jsonl or .ndjson, .parquet, the first two also as .gz; " +
  "one file or a folder of them";

/** The part of a corpus: what a model learns from, or what it is judged by. */
export type CorpusSplit = "train" | "test";

/** Which files of a corpus, and how to read them. */
export interface CorpusFilesOptions {
  /** Where a folder is divided into `train` and `valid` or `test` (files or folders), the part; "train" by default. */
  readonly split?: CorpusSplit;
}

/** How the text of a corpus is read. */
export interface ReadOptions {
  /** Field of JSON lines or column of Parquet that holds the text, "text" by default. */
  readonly field?: string;
  /** Told of lines that aren't UTF-8, which are then left out; without it they are an error. */
  readonly onInvalid?: OnInvalid;
}

const EXTENSIONS = /\.(txt|jsonl|ndjson)(\.gz)?$|\.parquet$/i;
const PARTS: Record<CorpusSplit, RegExp> = { train: /^train(ing)?\b/i, test: /^(val|valid|validation|dev|test)\b/i };

/**
 * The files of a corpus.
 *
 * @throws where there are none
 */
export async function corpusFiles(place: string, { split = "train" }: CorpusFilesOptions = {}): Promise<DataFile[]> {
  const files = await findFiles(place, EXTENSIONS);
  const divided = files.some(({ name }) => PARTS.train.test(name)) && files.some(({ name }) => PARTS.test.test(name));
  const chosen = divided ? files.filter(({ name }) => PARTS[split].test(name)) : files;
  if (!divided && split === "test") throw new Error(`${place}: has no test part (files or folders named train and test)`);
  if (chosen.length === 0) throw new Error(`${place}: no text found\n${CORPUS_FORMATS}`);
  return chosen;
}

/**
 * The sentences of files, some at a time, without whitespace around them; null ends a document. A plain file's lines are its sentences, and its blank lines, like its end,
 * end documents. A record of JSON lines or Parquet is a document, and the lines of its text are the sentences.
 *
 * @throws where a file can't be read, a record has no such text, or a line isn't UTF-8; the message names file and line
 */
export async function* readSentences(
  files: readonly DataFile[],
  { field = "text", onInvalid }: ReadOptions = {},
): AsyncGenerator<(string | null)[], void, undefined> {
  for (const { path: file } of files) {
    if (/\.parquet$/i.test(file)) {
      for await (const { rows, first } of readParquet(file, (names) => [requireField(file, field, names)])) {
        yield rows.flatMap((row, index) => documentOf(`${file}: row ${first + index}`, field, row));
      }
    } else if (/\.(jsonl|ndjson)(\.gz)?$/i.test(file)) {
      for await (const lines of readLines(file, onInvalid)) {
        yield lines.filter(({ text }) => text.trim() !== "").flatMap(({ text, number }) => jsonDocument(`${file}:${number}`, field, text));
      }
    } else {
      for await (const lines of readLines(file, onInvalid)) yield lines.map(({ text }) => sentenceOf(text));
      yield [null];
    }
  }
}

/** A line of JSON as an object. */
export function parseRecord(place: string, text: string): Record<string, unknown> {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${place}: not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof record === "object" && record !== null && !Array.isArray(record)) return record as Record<string, unknown>;
  throw new Error(`${place}: expected an object, got ${text.slice(0, 80)}`);
}

function jsonDocument(place: string, field: string, text: string): (string | null)[] {
  return documentOf(place, field, parseRecord(place, text));
}

function documentOf(place: string, field: string, record: Record<string, unknown>): (string | null)[] {
  const text = record[field];
  if (typeof text !== "string") {
    const got = text === undefined ? `the fields ${Object.keys(record).join(", ") || "(none)"}` : JSON.stringify(text)?.slice(0, 80);
    throw new Error(`${place}: expected a text in the field "${field}", got ${got}`);
  }
  const sentences = text.split("\n").map(sentenceOf);
  return [...sentences.filter((sentence) => sentence !== null), null];
}

function sentenceOf(line: string): string | null {
  return line.trim() || null;
}

function requireField(file: string, field: string, names: readonly string[]): string {
  if (names.includes(field)) return field;
  throw new Error(`${file}: has no column "${field}"; its columns are ${names.join(", ")}`);
}
