/** Parts of tokenizer files, checked: vocabularies, merges, special tokens. */
import type { Merge } from "./byte-pair-encoder.js";
import { type AddedToken, SPECIAL_TOKENS, type SpecialTokens } from "./tokenizer.js";

/** The five special tokens as added ones; `<mask>` takes the space before it, as in RoBERTa. */
export function specialAsAdded(special: SpecialTokens): AddedToken[] {
  return (Object.keys(SPECIAL_TOKENS) as (keyof SpecialTokens)[]).map((role) => ({
    content: SPECIAL_TOKENS[role],
    id: special[role],
    special: true,
    lstrip: role === "mask",
    rstrip: false,
  }));
}

/** Ids of the five special tokens by their names in a vocabulary. */
export function findSpecial(place: string, id: (content: string) => number | undefined): SpecialTokens {
  const entries = Object.entries(SPECIAL_TOKENS).map(([role, content]) => {
    const found = id(content);
    if (found === undefined) {
      throw new Error(`${place}: has no token ${content}; the model needs ${Object.values(SPECIAL_TOKENS).join(" ")}`);
    }
    return [role, found];
  });
  return Object.fromEntries(entries);
}

/** Checks that ids are whole numbers, none of them twice, and makes a map of them. */
export function vocabularyOf(place: string, value: unknown): Map<string, number> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${place}: expected an object of ids by token`);
  }
  const vocabulary = new Map<string, number>();
  const pieces = new Map<number, string>();
  for (const [piece, id] of Object.entries(value)) {
    if (!Number.isInteger(id) || id < 0 || id >= 2 ** 20) {
      throw new Error(`${place}: ${JSON.stringify(piece)}: expected an id from 0 to ${2 ** 20 - 1}, got ${JSON.stringify(id)}`);
    }
    if (pieces.has(id)) throw new Error(`${place}: id ${id} stands for ${JSON.stringify(pieces.get(id))} and ${JSON.stringify(piece)}`);
    pieces.set(id, piece);
    vocabulary.set(piece, id);
  }
  return vocabulary;
}

/** Checks merges: pairs of pieces, and that the vocabulary has what they make. */
export function mergesOf(place: string, lines: readonly unknown[], vocabulary: ReadonlyMap<string, number> | null): Merge[] {
  return lines.map((line, index) => {
    const pair = typeof line === "string" ? line.split(" ") : line;
    if (!Array.isArray(pair) || pair.length !== 2 || pair.some((piece) => typeof piece !== "string" || piece === "")) {
      throw new Error(`${place}: merge ${index + 1}: expected two pieces, got ${JSON.stringify(line)}`);
    }
    const [left, right] = pair as [string, string];
    const lacking = vocabulary && [left, right, left + right].find((piece) => !vocabulary.has(piece));
    if (lacking) throw new Error(`${place}: merge ${index + 1} (${left} ${right}): the vocabulary lacks ${JSON.stringify(lacking)}`);
    return [left, right];
  });
}
