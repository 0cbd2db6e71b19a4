/** Rows of tables with named columns: TSV, CSV, JSON lines and Parquet, the text formats also gzipped. */
import { parseRecord } from "./documents.js";
import { readParquet } from "./parquet.js";
import { readLines } from "./text-files.js";

/** A row: what each column holds, and where it stands. */
export interface Row {
  readonly values: Readonly<Record<string, unknown>>;
  readonly place: string;
}

/** How a table is read. */
export interface TableOptions {
  /** Chooses from the names of the columns those that are needed; throws where one is missing. */
  readonly choose: (names: readonly string[], place: string) => readonly string[];
  /** Names of the columns of TSV and CSV files whose first line isn't their header. */
  readonly header?: { readonly names: readonly string[]; readonly isHeader: (fields: readonly string[]) => boolean };
  /** Told of rows with too few or too many fields, which are then left out; without it they are an error. */
  readonly onInvalid?: (place: string) => void;
}

/** Names of files that hold tables. */
export const TABLE_EXTENSIONS = /\.(tsv|csv|jsonl|ndjson)(\.gz)?$|\.parquet$/i;

/**
 * Reads a table, some rows at a time. In TSV a tab always parts fields and quotation marks are text, as in GLUE; CSV is that of RFC 4180.
 *
 * @param label how places in the file are named
 * @throws where it can't be read, isn't a table, or a row doesn't fit; the message names file and line
 */
export async function* readTable(file: string, label: string, options: TableOptions): AsyncGenerator<Row[], void, undefined> {
  if (/\.parquet$/i.test(file)) {
    for await (const { rows, first } of readParquet(file, (names) => options.choose(names, label))) {
      yield rows.map((values, index) => ({ values, place: `${label}: row ${first + index}` }));
    }
  } else if (/\.(jsonl|ndjson)(\.gz)?$/i.test(file)) {
    let chosen = false;
    for await (const lines of readLines(file)) {
      const rows = lines.filter(({ text }) => text.trim() !== "");
      yield rows.map(({ text, number }) => {
        const place = `${label}:${number}`;
        const values = parseRecord(place, text);
        if (!chosen) options.choose(Object.keys(values), place);
        chosen = true;
        return { values, place };
      });
    }
  } else yield* delimited(label, /\.csv(\.gz)?$/i.test(file) ? csvRecords(file, label) : tsvRecords(file), options);
}

interface DelimitedRecord {
  readonly fields: string[];
  readonly number: number;
}

async function* delimited(
  label: string,
  records: AsyncGenerator<DelimitedRecord[], void, undefined>,
  { choose, header, onInvalid }: TableOptions,
): AsyncGenerator<Row[], void, undefined> {
  let names: readonly string[] | undefined;
  for await (const some of records) {
    const rows: Row[] = [];
    for (const { fields, number } of some) {
      if (names === undefined) {
        const isHeader = header === undefined || header.isHeader(fields);
        names = isHeader ? fields : header.names;
        choose(names, `${label}:1`);
        if (isHeader) continue;
      }
      const place = `${label}:${number}`;
      if (fields.length === names.length) {
        rows.push({ values: Object.fromEntries(names.map((name, i) => [name, fields[i]])), place });
      } else if (onInvalid !== undefined) onInvalid(place);
      else throw new Error(`${place}: expected ${names.length} fields (${names.join(", ")}), got ${fields.length}`);
    }
    yield rows;
  }
}

async function* tsvRecords(file: string): AsyncGenerator<DelimitedRecord[], void, undefined> {
  for await (const lines of readLines(file)) {
    yield lines.filter(({ text }) => text !== "").map(({ text, number }) => ({ fields: text.split("\t"), number }));
  }
}

/** Fields in quotation marks may hold commas, line ends, and quotation marks written twice. */
async function* csvRecords(file: string, label: string): AsyncGenerator<DelimitedRecord[], void, undefined> {
  let fields: string[] = [];
  let quoted: string[] | null = null;
  let first = 1;
  for await (const lines of readLines(file)) {
    const records: DelimitedRecord[] = [];
    for (const { text, number } of lines) {
      if (quoted === null) {
        if (text === "") continue;
        first = number;
      } else quoted.push("\n");
      let at = 0;
      for (;;) {
        if (quoted === null && text[at] === '"') {
          quoted = [];
          at += 1;
        }
        if (quoted === null) {
          const comma = text.indexOf(",", at);
          fields.push(text.slice(at, comma < 0 ? undefined : comma));
          if (comma < 0) break;
          at = comma + 1;
          continue;
        }
        const quote = text.indexOf('"', at);
        quoted.push(text.slice(at, quote < 0 ? undefined : quote));
        if (quote < 0) break;
        at = quote + 1;
        if (text[at] === '"') {
          quoted.push('"');
          at += 1;
          continue;
        }
        fields.push(quoted.join(""));
        quoted = null;
        if (at === text.length) break;
        if (text[at] !== ",") throw new Error(`${label}:${number}: expected a comma after the closing quotation mark, got ${text[at]}`);
        at += 1;
      }
      if (quoted !== null) continue;
      records.push({ fields, number: first });
      fields = [];
    }
    yield records;
  }
  if (quoted !== null) throw new Error(`${label}:${first}: a quotation mark is opened and never closed`);
}
