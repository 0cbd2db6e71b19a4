/**
 * Russian read by one man, of Debian's festvox-ru (BSD-like licence): 620 sentences, 99 minutes, 16 kHz.
 *
 *   wav/NAME.wav
 *   train.jsonl, test.jsonl   { path, text }; every tenth by the hash of its name is for testing
 *
 * Texts are written in the small letters of Russian and spaces: marks of stress (`+`) are taken away, everything else parts words.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { byHash, copy, copyTerms, writeJsonLines } from "./files.mjs";

export const SOURCES = [
  {
    from: "debian",
    name: "festvox-ru",
    version: "0.5+dfsg-6",
    sha256: "21ef3f0f2978ecf2e2eddb367cb0ff4a72572196d28dc69feb84f4177af5e6c4",
  },
];

const VOICE = "usr/share/festival/voices/russian/msu_ru_nsh_clunits";

export function layOut([source], target) {
  const lines = readFileSync(join(source, VOICE, "etc/txt.done.data"), "utf8")
    .trim()
    .split("\n");
  const sentences = lines.map((line) => {
    const [, name, text] = /^\( (\S+) "(.*)" \)$/.exec(line) ?? [];
    if (text === undefined || !existsSync(join(source, VOICE, "wav", `${name}.wav`))) throw new Error(`festvox-ru: no sentence in ${line}`);
    const letters = text
      .toLowerCase()
      .replaceAll("+", "")
      .replace(/[^а-яё]+/g, " ")
      .trim();
    return { path: `wav/${name}.wav`, text: letters };
  });
  for (const { path } of sentences) copy(join(source, VOICE, path), join(target, path));
  const order = byHash(sentences, ({ path }) => path);
  const test = new Set(order.slice(0, Math.round(order.length / 10)));
  writeJsonLines(
    join(target, "train.jsonl"),
    sentences.filter((sentence) => !test.has(sentence)),
  );
  writeJsonLines(
    join(target, "test.jsonl"),
    sentences.filter((sentence) => test.has(sentence)),
  );
  copyTerms(source, "festvox-ru", target);
  return `${sentences.length - test.size} and ${test.size} sentences`;
}
