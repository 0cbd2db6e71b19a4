/**
 * Dialogues of the game Fish Fillets in Czech and Dutch, of Debian's fillets-ng-data packages (GPL 2): 106 and 96 minutes.
 *
 *   {cs,nl}/clips/LEVEL/NAME.ogg         all clips, for pretraining
 *   {cs,nl}/train.jsonl, test.jsonl      { path, text, speaker } of those whose words are known; every tenth level is for testing
 *
 * `speaker` is the name of the font that the game shows the words in: `font_small` and `font_big` are the two fish. Texts are written in
 * small letters, apostrophes and spaces.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { byHash, copy, copyTerms, filesBelow, writeJsonLines } from "./files.mjs";

const VERSION = "1.0.1-1.1";
const LANGUAGES = ["cs", "nl"];

export const SOURCES = [
  {
    from: "debian",
    name: "fillets-ng-data",
    version: VERSION,
    sha256: "25de89afd8b1adf7bcace8290248a6a22c89cd42300317e69000e162c032cf84",
  },
  {
    from: "debian",
    name: "fillets-ng-data-cs",
    version: VERSION,
    sha256: "3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14",
  },
  {
    from: "debian",
    name: "fillets-ng-data-nl",
    version: VERSION,
    sha256: "afb4443fda9ab507dee578b75be857d121718a1cd6017a474f30e0eb13dc9d10",
  },
];

const GAME = "usr/share/games/fillets-ng";

export function layOut([texts, ...sounds], target) {
  copyTerms(texts, "fillets-ng-data", target);
  const counts = LANGUAGES.map((language, index) => {
    const clips = clipsOf(join(sounds[index], GAME, "sound"), language);
    for (const { from, path } of clips) copy(from, join(target, language, path));
    const levels = [...new Set(clips.map(({ level }) => level))];
    const dialogues = new Map(levels.map((level) => [level, dialoguesOf(join(texts, GAME, "script"), level, language)]));
    const known = clips.flatMap(({ path, level, name }) => {
      const spoken = dialogues.get(level).get(name);
      return spoken === undefined || spoken.text === "" ? [] : [{ level, record: { path, ...spoken } }];
    });
    const test = new Set(byHash(levels, (level) => level).slice(0, Math.round(levels.length / 10)));
    const part = (isTest) => known.filter(({ level }) => test.has(level) === isTest).map(({ record }) => record);
    writeJsonLines(join(target, language, "train.jsonl"), part(false));
    writeJsonLines(join(target, language, "test.jsonl"), part(true));
    copyTerms(sounds[index], `fillets-ng-data-${language}`, target);
    return `${language}: ${clips.length} clips, ${part(false).length} and ${part(true).length} with their words`;
  });
  return counts.join("; ");
}

/** The clips of a language; a level is `city` or `share/border`. */
function clipsOf(folder, language) {
  return filesBelow(folder, ".ogg")
    .map((file) => ({ file, match: /^(.+)\/([^/]+)\/([^/]+)\.ogg$/.exec(file) }))
    .filter(({ match }) => match?.[2] === language)
    .map(({ file, match: [, level, , name] }) => ({ from: join(folder, file), path: `clips/${level}/${name}.ogg`, level, name }));
}

/** What each clip of a level says: `dialogId("NAME", "FONT", "ENGLISH")`, then `dialogStr("TEXT")`. Shared levels share their folder. */
function dialoguesOf(scripts, level, language) {
  const folder = join(scripts, level.startsWith("share/") ? "share" : level);
  if (!existsSync(folder)) return new Map();
  const pattern = /dialogId\("([^"]+)",\s*"([^"]+)",\s*"(?:[^"\\]|\\.)*"\)\s*dialogStr\("((?:[^"\\]|\\.)*)"\)/g;
  const scriptsOfLevel = filesBelow(folder, `dialogs_${language}.lua`).map((file) => readFileSync(join(folder, file), "utf8"));
  const found = [...scriptsOfLevel.join("\n").matchAll(pattern)];
  return new Map(found.map(([, name, font, text]) => [name, { text: lettersOf(text), speaker: font }]));
}

/** Small letters, apostrophes within words, single spaces. A `%1` or a digit makes the words unknown, and the text empty. */
function lettersOf(text) {
  if (/[%\d]/.test(text)) return "";
  return text
    .replace(/\\./g, " ")
    .toLowerCase()
    .replaceAll("’", "'")
    .replace(/[^\p{L}']+/gu, " ")
    .replace(/(?<!\p{L})'|'(?!\p{L})/gu, "")
    .replace(/ +/g, " ")
    .trim();
}
