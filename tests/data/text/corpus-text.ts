/** Text for tests: sentences of a made-up language with few and many-lettered words, as frequent as those of a natural one. */
import { Philox } from "../../../src/backend/philox.js";

const SYLLABLES = ["ka", "to", "mi", "ren", "sol", "an", "é", "ü", "thing", "er", "s", "pre", "日", "本"];

/** `count` sentences, the same for the same seed. */
export function sentences(count: number, seed = 1): string[] {
  const random = new Philox(seed, "sentences");
  const vocabulary = Array.from({ length: 400 }, () =>
    Array.from({ length: 1 + random.int(4) }, () => SYLLABLES[random.int(SYLLABLES.length)]).join(""),
  );
  const word = () => vocabulary[Math.floor(400 * random.uniform() ** 3)]!;
  return Array.from({ length: count }, () => {
    const text = Array.from({ length: 3 + random.int(20) }, word).join(" ");
    return `${text}${[".", "!", ", 42 it's.", " (2024)…"][random.int(4)]}`;
  });
}
