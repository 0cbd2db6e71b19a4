/** Lists of clips in CSV, TSV and JSONL files: columns for the file, what is said in it, and its class. */
import { dirname, resolve } from "node:path";
import { readUtf8 } from "../utf8.js";
import type { AudioEntry, AudioList } from "./entries.js";

const COLUMNS = {
  file: ["path", "file", "audio"],
  transcript: ["text", "transcript", "sentence"],
  label: ["label", "class"],
} as const;

/** The columns that are looked for, for messages. */
export const TABLE_COLUMNS = "path (or file, audio), text (or transcript, sentence), label (or class)";

/** True for the names of the column of files. */
export function isFileColumn(name: string): boolean {
  return COLUMNS.file.some((column) => column === name);
}

interface Row {
  readonly line: number;
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Reads a table of clips. CSV and TSV are quoted by RFC 4180 and begin with a header; JSONL has an object a line. Paths are relative to the
 * file, or absolute.
 *
 * @throws where it isn't well formed, lacks the column of files, or a row lacks its file
 */
export async function readTable(path: string): Promise<AudioList> {
  const text = await readUtf8(path);
  const { columns, rows } = /\.csv$/i.test(path)
    ? readDelimited(path, text, ",")
    : /\.tsv$/i.test(path)
      ? readDelimited(path, text, "\t")
      : readJsonLines(path, text);
  if (rows.length === 0) throw new Error(`${path}: has no rows`);
  const column = (names: readonly string[]) => names.find((name) => columns.has(name));
  const file = column(COLUMNS.file);
  if (file === undefined) throw new Error(`${path}: has no column of files; it has ${[...columns].join(", ")}, expected ${TABLE_COLUMNS}`);
  const transcript = column(COLUMNS.transcript);
  const label = column(COLUMNS.label);
  const folder = dirname(path);
  const entries = rows.map(({ line, values }): AudioEntry => {
    const name = values.get(file) ?? "";
    if (name === "") throw new Error(`${path}:${line}: ${file}: expected a file, got nothing`);
    const spoken = transcript === undefined ? undefined : values.get(transcript);
    const kind = label === undefined ? undefined : values.get(label);
    return { name, file: resolve(folder, name), transcript: spoken ?? null, label: kind === undefined || kind === "" ? null : kind };
  });
  return { path, entries };
}

function readDelimited(path: string, text: string, delimiter: string): { columns: Set<string>; rows: Row[] } {
  const records = readRecords(path, text, delimiter);
  const header = records.shift()?.fields.map((name) => name.trim().toLowerCase()) ?? [];
  const repeated = header.find((name, index) => header.indexOf(name) !== index);
  if (repeated !== undefined) throw new Error(`${path}:1: column ${repeated} comes twice`);
  const rows = records.map(({ line, fields }) => {
    if (fields.length !== header.length) throw new Error(`${path}:${line}: expected ${header.length} fields, got ${fields.length}`);
    return { line, values: new Map(header.map((name, index) => [name, fields[index]!])) };
  });
  return { columns: new Set(header), rows };
}

/** The records of RFC 4180: quoted fields may hold delimiters, line breaks and doubled quotes. Empty lines are left out. */
function readRecords(path: string, text: string, delimiter: string): { line: number; fields: string[] }[] {
  const records: { line: number; fields: string[] }[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const start = line;
    const fields: string[] = [];
    for (;;) {
      let field: string;
      if (text[at] === '"') {
        const end = closingQuote(text, at + 1);
        if (end < 0) throw new Error(`${path}:${start}: a quoted field isn't closed`);
        field = text.slice(at + 1, end).replaceAll('""', '"');
        line += field.split("\n").length - 1;
        at = end + 1;
        if (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") {
          throw new Error(`${path}:${line}: expected the end of a field after its closing quote, got ${JSON.stringify(text[at])}`);
        }
      } else {
        let end = at;
        while (end < text.length && text[end] !== delimiter && text[end] !== "\n" && text[end] !== "\r") end++;
        field = text.slice(at, end);
        at = end;
      }
      fields.push(field);
      if (text[at] !== delimiter) break;
      at += 1;
    }
    if (text[at] === "\r") at += 1;
    if (text[at] === "\n") at += 1;
    line += 1;
    if (fields.length > 1 || fields[0] !== "") records.push({ line: start, fields });
  }
  return records;
}

function closingQuote(text: string, from: number): number {
  let at = from;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0 || text[quote + 1] !== '"') return quote;
    at = quote + 2;
  }
}

function readJsonLines(path: string, text: string): { columns: Set<string>; rows: Row[] } {
  const columns = new Set<string>();
  const rows = text.split("\n").flatMap((json, index): Row[] => {
    if (json.trim() === "") return [];
    const line = index + 1;
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (cause) {
      throw new Error(`${path}:${line}: isn't JSON: ${(cause as Error).message}`, { cause });
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${path}:${line}: expected an object`);
    const values = new Map<string, string>();
    for (const [name, field] of Object.entries(value)) {
      columns.add(name);
      if (typeof field === "string" || typeof field === "number") values.set(name, String(field));
    }
    return [{ line, values }];
  });
  return { columns, rows };
}
