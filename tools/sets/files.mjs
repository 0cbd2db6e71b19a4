/** What the layouts share: an order by hashes, tables, JSON lines, copies. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A number in [0, 1) that depends on a text alone: random, and always the same. */
export function fraction(text) {
  return createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32;
}

/** Items in the order of the hashes of their keys. */
export function byHash(items, keyOf) {
  return items
    .map((item) => ({ item, key: fraction(keyOf(item)) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/** Writes rows of fields, none of which may hold a tab, a quotation mark at its start or a line break, below their names. */
export function writeTsv(path, columns, rows) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, [columns, ...rows].map((fields) => `${fields.join("\t")}\n`).join(""));
}

/** Writes an object a line. */
export function writeJsonLines(path, records) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}

/** Copies a file into a folder that may not be there yet. */
export function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** Sorted files below a folder with the ending. */
export function filesBelow(folder, ending) {
  return readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith(ending))
    .sort();
}

/** Copies a Debian package's terms. */
export function copyTerms(packageFolder, name, target) {
  copy(join(packageFolder, "usr/share/doc", name, "copyright"), join(target, `COPYRIGHT-${name}`));
}
