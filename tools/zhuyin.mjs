/** Reads the names of gcin-voice's folders: a Mandarin syllable in Zhuyin, with a digit for its tone. */

const INITIALS = pairs("ㄅb ㄆp ㄇm ㄈf ㄉd ㄊt ㄋn ㄌl ㄍg ㄎk ㄏh ㄐj ㄑq ㄒx ㄓzh ㄔch ㄕsh ㄖr ㄗz ㄘc ㄙs");
const FINALS = new Map([
  // The syllables that end in their initial: zhi, chi, shi, ri, zi, ci, si.
  ["", "ih"],
  ...pairs("ㄚa ㄛo ㄜe ㄝeh ㄞai ㄟei ㄠao ㄡou ㄢan ㄣen ㄤang ㄥeng ㄦer"),
  ...pairs("ㄧi ㄧㄚia ㄧㄛio ㄧㄝie ㄧㄞiai ㄧㄠiao ㄧㄡiu ㄧㄢian ㄧㄣin ㄧㄤiang ㄧㄥing"),
  ...pairs("ㄨu ㄨㄚua ㄨㄛuo ㄨㄞuai ㄨㄟui ㄨㄢuan ㄨㄣun ㄨㄤuang ㄨㄥong"),
  ...pairs("ㄩv ㄩㄝve ㄩㄢvan ㄩㄣvn ㄩㄥiong"),
]);
/** A folder without a digit is in the first tone; 1 is the neutral one. */
const TONES = new Map([
  ["", "1"],
  ["1", "5"],
  ["2", "2"],
  ["3", "3"],
  ["4", "4"],
]);

function pairs(list) {
  return new Map(list.split(" ").map((pair) => [pair.replace(/[a-z]+/, ""), pair.replace(/[^a-z]+/, "")]));
}

/** Initial (`0` for none), final and tone of a folder's name, in Pinyin. */
export function parseSyllable(folder) {
  const [, syllable, digit] = /^(.*?)(\d?)$/u.exec(folder);
  const initial = INITIALS.has(syllable[0]) ? syllable[0] : "";
  const final = FINALS.get(syllable.slice(initial.length));
  const tone = TONES.get(digit);
  if (final === undefined || tone === undefined || (initial === "" && final === "ih"))
    throw new Error(`${folder}: not a syllable in Zhuyin`);
  return { initial: INITIALS.get(initial) ?? "0", final, tone };
}
