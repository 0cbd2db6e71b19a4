/**
 * Mandarin syllables by two speakers, of Debian's gcin-voice: 2358 clips. Those of speaker 3 are under the GPL 3 or LGPL 3, those of speaker 5
 * under CC-BY 3.0.
 *
 *   clips/SPEAKER/INITIAL-FINAL-TONE.ogg            in Pinyin; INITIAL is 0 where there is none
 *   {initial,final,tone}/{train,test}.tsv           both speakers; columns path, label
 *   {initial,final,tone}-speakers/{train,test}.tsv  speaker 5 to learn from, speaker 3 to test on
 *
 * A fifth of the syllables is for testing, by the hashes of their names: both speakers' clips of a syllable lie in the same part. For tones
 * it is a fifth of the syllables without their tones, so that no tested syllable was heard in another tone. Left out of the tables are the
 * names of consonants (folders such as ㄅ), which are no syllables, classes of fewer than 20 clips, and the neutral tone.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseSyllable } from "../zhuyin.mjs";
import { copy, copyTerms, fraction, writeTsv } from "./files.mjs";

export const SOURCES = [
  {
    from: "debian",
    name: "gcin-voice",
    version: "0~20170223-3",
    sha256: "6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70",
  },
];

const SPEAKERS = ["3", "5"];
const TEST_FRACTION = 0.2;
const MIN_CLIPS = 20;
/** Consonants that are syllables by themselves. */
const SYLLABIC = ["zh", "ch", "sh", "r", "z", "c", "s"];

export function layOut([source], target) {
  const ogg = join(source, "usr/share/gcin-voice/ogg");
  const clips = readdirSync(ogg)
    .sort()
    .flatMap((folder) => {
      const { initial, final, tone } = parseSyllable(folder);
      const syllable = `${initial}-${final}`;
      return SPEAKERS.filter((speaker) => existsSync(join(ogg, folder, `${speaker}.ogg`))).map((speaker) => {
        const path = `clips/${speaker}/${syllable}-${tone}.ogg`;
        copy(join(ogg, folder, `${speaker}.ogg`), join(target, path));
        return { path, speaker, syllable, initial, final, tone };
      });
    });
  const syllables = clips.filter(({ initial, final }) => final !== "ih" || SYLLABIC.includes(initial));
  const counts = ["initial", "final", "tone"].map((kind) => {
    const per = new Map();
    for (const clip of syllables) per.set(clip[kind], (per.get(clip[kind]) ?? 0) + 1);
    const kept = syllables.filter((clip) => per.get(clip[kind]) >= MIN_CLIPS && !(kind === "tone" && clip.tone === "5"));
    const unit = (clip) => (kind === "tone" ? clip.syllable : `${clip.syllable}-${clip.tone}`);
    const tested = (clip) => fraction(unit(clip)) < TEST_FRACTION;
    const write = (folder, isTest) => {
      for (const part of ["train", "test"]) {
        const rows = kept.filter((clip) => isTest(clip) === (part === "test")).map((clip) => [`../${clip.path}`, clip[kind]]);
        writeTsv(join(target, folder, `${part}.tsv`), ["path", "label"], rows);
      }
    };
    write(kind, tested);
    write(`${kind}-speakers`, ({ speaker }) => speaker === "3");
    const test = kept.filter(tested).length;
    return `${kind}: ${new Set(kept.map((clip) => clip[kind])).size} classes, ${kept.length - test} and ${test} clips`;
  });
  copyTerms(source, "gcin-voice", target);
  return [`${clips.length} clips`, ...counts].join("; ");
}
