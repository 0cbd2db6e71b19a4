/** Opens labelled texts: tables of one file or a folder divided into train and test, columns found by their names. */
import path from "node:path";
import type { LabelledText } from "./labelled-text.js";
import { readTable, TABLE_EXTENSIONS } from "./table.js";
import { type Target, targetsOf } from "./targets.js";
import { type DataFile, findFiles } from "./text-files.js";

/** The part of a data set: what a model learns from, or what it is judged by; or the name of a file without its extension. */
export type TextSplit = "train" | "test" | (string & {});

/** Names of the columns. */
export interface TextColumns {
  /** The text, or the first one. */
  readonly text: string | readonly string[];
  /** The second text; null for none. */
  readonly pair: string | readonly string[] | null;
  /** Class or score; null for none. */
  readonly target: string | readonly string[] | null;
}

/** How labelled texts are read. */
export interface LabelledTextOptions {
  /** Which part; may be left out only for a file. Of several names the first that is there counts. */
  readonly split?: TextSplit | readonly string[];
  /** Class names in the order of a model's labels; by default they come from the data. */
  readonly classes?: readonly string[] | null;
  /** By default scores where the column is named so or a number isn't whole. */
  readonly kind?: "classification" | "regression";
  /** Names of the columns, several where files differ; by default those of {@link openLabelledText}. */
  readonly columns?: Partial<TextColumns>;
  /** Names of all columns of a TSV or CSV file without a header (whose first line has no field named as the text's column). */
  readonly header?: readonly string[];
  /** Whether rows with too few or too many fields are left out and counted; they are an error by default. */
  readonly skipInvalid?: boolean;
}

const SPLITS = new Map([
  ["train", ["train", "training"]],
  ["test", ["dev", "val", "valid", "validation", "test"]],
]);
/** Columns of one and of two texts, the first that are there count. */
const TEXTS: readonly (readonly [string, string | null])[] = [
  ["sentence1", "sentence2"],
  ["premise", "hypothesis"],
  ["question1", "question2"],
  ["text1", "text2"],
  ["question", "sentence"],
  ["text", "text_pair"],
  ["text", null],
  ["sentence", null],
];
const TARGETS = ["label", "class", "score"];
const LAYOUTS =
  "accepted: .tsv, .csv, .jsonl, .ndjson (also as .gz) and .parquet with columns text or sentence, or sentence1 and sentence2, premise and " +
  "hypothesis, question1 and question2, and label, class or score; a file, or a folder with train.* and dev.*, validation.* or test.*";

/** The splits that a folder is divided into; empty for a file. */
export async function textSplits(place: string): Promise<("train" | "test")[]> {
  const files = await tables(place);
  if (files.length === 1 && files[0]!.path === place) return [];
  return (["train", "test"] as const).filter((split) => filesOf(files, split).length > 0);
}

/**
 * Opens the labelled texts at `place` (see `docs/data.md`): a table, or a folder in which tables are named by their split. The test set is
 * the first there is of dev, val, valid, validation, test. Columns are found by name: text or sentence for one text; sentence1 and
 * sentence2, premise and hypothesis, question1 and question2, text1 and text2, question and sentence for two; label, class or score.
 * Without such a column, or where all labels are -1, the set has no labels.
 *
 * @throws where the files, the split or a column is missing, or a row doesn't fit; the message names file and line, and what is accepted
 */
export async function openLabelledText(place: string, options: LabelledTextOptions = {}): Promise<LabelledText> {
  const files = await chooseFiles(place, options.split);
  const names: string[] = [];
  const texts: string[] = [];
  const pairs: string[] = [];
  const targets: Target[] = [];
  let found: FoundColumns | undefined;
  let skipped = 0;
  for (const file of files) {
    const choose = (available: readonly string[], where: string) => {
      const columns = findColumns(where, available, options.columns);
      if (found !== undefined && (found.pair === null) !== (columns.pair === null)) {
        throw new Error(`${where}: ${columns.pair === null ? "one text" : "two texts"} a row, unlike the files before it`);
      }
      found = columns;
      return [columns.text, columns.pair, columns.target].filter((name) => name !== null);
    };
    const { header } = options;
    const isHeader = (fields: readonly string[]) => textNames(options.columns).some((name) => fields.includes(name));
    const rows = readTable(file.path, file.path === place ? place : path.join(place, file.name), {
      choose,
      header: header && { names: header, isHeader },
      onInvalid: options.skipInvalid ? () => (skipped += 1) : undefined,
    });
    for await (const some of rows) {
      for (const { values, place: where } of some) {
        const { text, pair, target } = found!;
        texts.push(textOf(where, text, values[text]));
        if (pair !== null) pairs.push(textOf(where, pair, values[pair]));
        targets.push({ place: where, column: target, value: target === null ? null : values[target] });
        names.push(where);
      }
    }
  }
  if (texts.length === 0) throw new Error(`${place}: has no rows\n${LAYOUTS}`);
  const { classes, labels, scores } = targetsOf(place, targets, options);
  const kind = scores === null ? (classes === null ? "no labels" : `${classes.length} classes`) : "scores";
  return {
    description: `${place} (${texts.length} ${pairs.length > 0 ? "pairs of texts" : "texts"}, ${kind})`,
    size: texts.length,
    classes,
    pairs: pairs.length > 0,
    scored: scores !== null,
    skipped,
    label: (index) => labels?.[index] ?? -1,
    name: (index) => at(names, index),
    text: (index) => at(texts, index),
    textPair: (index) => (pairs.length > 0 ? at(pairs, index) : null),
    score: (index) => scores?.[index] ?? Number.NaN,
  };
}

interface FoundColumns {
  readonly text: string;
  readonly pair: string | null;
  readonly target: string | null;
}

function findColumns(place: string, available: readonly string[], given: Partial<TextColumns> = {}): FoundColumns {
  const find = (role: string, wanted: string | readonly string[] | null): string | null => {
    if (wanted === null) return null;
    const candidates = typeof wanted === "string" ? [wanted] : wanted;
    const name = candidates.find((candidate) => available.includes(candidate));
    if (name !== undefined) return name;
    throw new Error(`${place}: has no column ${candidates.join(" or ")} for the ${role}; its columns are ${available.join(", ")}`);
  };
  const usual = TEXTS.find((names) => names.every((name) => name === null || available.includes(name)));
  if (given.text === undefined && usual === undefined) {
    throw new Error(`${place}: no column of text among ${available.join(", ")}\n${LAYOUTS}`);
  }
  return {
    text: given.text === undefined ? usual![0] : find("text", given.text)!,
    pair: given.pair !== undefined ? find("second text", given.pair) : given.text === undefined ? usual![1] : null,
    target: given.target === undefined ? (TARGETS.find((name) => available.includes(name)) ?? null) : find("labels", given.target),
  };
}

function textNames(given: Partial<TextColumns> = {}): readonly string[] {
  return given.text === undefined ? TEXTS.map(([text]) => text) : [given.text].flat();
}

function textOf(place: string, column: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new Error(`${place}: ${column}: expected a text, got ${value === undefined ? "nothing" : JSON.stringify(value)?.slice(0, 80)}`);
}

function at(list: readonly string[], index: number): string {
  const item = list[index];
  if (item === undefined) throw new RangeError(`text ${index} is outside 0..${list.length - 1}`);
  return item;
}

async function tables(place: string): Promise<DataFile[]> {
  const files = await findFiles(place, TABLE_EXTENSIONS);
  if (files.length === 0) throw new Error(`${place}: no table found\n${LAYOUTS}`);
  if (files[0]!.path === place && !TABLE_EXTENSIONS.test(place)) throw new Error(`${place}: not a table\n${LAYOUTS}`);
  return files;
}

async function chooseFiles(place: string, split: LabelledTextOptions["split"]): Promise<readonly DataFile[]> {
  const files = await tables(place);
  if (files[0]!.path === place) {
    if (split === undefined || split === "train") return files;
    throw new Error(`${place}: is one file and has no ${[split].flat().join(" or ")} split\nhold out a part of it instead; ${LAYOUTS}`);
  }
  if (split === undefined) throw new Error(`${place}: is a folder, say which part of it: split "train" or "test"`);
  const chosen = filesOf(files, split);
  if (chosen.length > 0) return chosen;
  throw new Error(`${place}: has no ${[split].flat().join(" or ")} split among ${files.map(({ name }) => name).join(", ")}\n${LAYOUTS}`);
}

/** The files of a split: all parts (`train-00000-of-00002.parquet`) of the first name that is there. */
function filesOf(files: readonly DataFile[], split: TextSplit | readonly string[]): readonly DataFile[] {
  const stem = ({ name }: DataFile) =>
    path.posix
      .basename(name)
      .replace(TABLE_EXTENSIONS, "")
      .replace(/-\d+-of-\d+$/, "");
  for (const wanted of (typeof split === "string" && SPLITS.get(split)) || [split].flat()) {
    const found = files.filter((file) => stem(file) === wanted);
    if (found.length > 0) return found;
  }
  return [];
}
