/**
 * Makes the sample set in examples/data/gcin-voice out of Debian's package gcin-voice.
 *
 *   apt-get download gcin-voice && dpkg-deb -x gcin-voice_*.deb PACKAGE_DIR
 *   node tools/gcin-voice.mjs PACKAGE_DIR/usr/share/gcin-voice/ogg TARGET_DIR
 *
 * The package has a folder for each Mandarin syllable with its tone, named in Zhuyin, with a recording by each of two speakers. Only those of
 * speaker 5 are taken: they are CC-BY 3.0, the other's GPL. The class is the syllable's final (what follows the initial consonant).
 * Clips are ordered by the SHA-256 of their folder's name; of each class the first 34 are taken, every fourth of these for testing; classes of
 * fewer than 8 clips are left out. Files are copied as they are, and named in Pinyin: TARGET_DIR/{train,test}/FINAL/INITIAL-FINAL-TONE.ogg.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseSyllable } from "./zhuyin.mjs";

const SPEAKER = "5.ogg";
const MAX_CLIPS = 34;
const MIN_CLIPS = 8;
const TEST_EVERY = 4;

const [source, target] = process.argv.slice(2);
if (source === undefined || target === undefined) {
  console.error("usage: node tools/gcin-voice.mjs SOURCE_DIR TARGET_DIR");
  process.exit(2);
}
const hash = (folder) => createHash("sha256").update(folder).digest("hex");
const folders = readdirSync(source).filter((folder) => existsSync(join(source, folder, SPEAKER)));
const classes = new Map();
for (const { folder } of folders.map((folder) => ({ folder, key: hash(folder) })).sort((a, b) => (a.key < b.key ? -1 : 1))) {
  const { initial, final, tone } = parseSyllable(folder);
  classes.set(final, [...(classes.get(final) ?? []), { path: join(source, folder, SPEAKER), name: `${initial}-${final}-${tone}.ogg` }]);
}
const counts = { train: 0, test: 0, bytes: 0 };
const kept = [...classes].filter(([, clips]) => clips.length >= MIN_CLIPS);
for (const [final, clips] of kept) {
  for (const [index, { path, name }] of clips.slice(0, MAX_CLIPS).entries()) {
    const split = index % TEST_EVERY === TEST_EVERY - 1 ? "test" : "train";
    mkdirSync(join(target, split, final), { recursive: true });
    copyFileSync(path, join(target, split, final, name));
    counts[split] += 1;
    counts.bytes += statSync(path).size;
  }
}
const dropped = [...classes].filter(([, clips]) => clips.length < MIN_CLIPS).map(([final, clips]) => `${final} (${clips.length} clips)`);
console.log(
  `${kept.length} classes, ${counts.train} + ${counts.test} clips, ${(counts.bytes / 1e6).toFixed(2)} MB; left out: ${dropped.join(", ")}`,
);
