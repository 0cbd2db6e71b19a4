/** GPT-2's byte-level alphabet, and its pattern that cuts text into words (Radford et al. 2019). */

/**
 * What counts as a word: contractions, letters, numbers and other signs each with at most one space before, and runs of whitespace but for
 * their last character. Whitespace is Unicode's, which `\s` of JavaScript is not (U+0085, U+FEFF).
 */
const WORD =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The words of a text, which joined are the text; no piece of a vocabulary reaches across two of them. */
export function words(text: string): readonly string[] {
  return text.match(WORD) ?? [];
}

/** The character that stands for each byte in vocabulary files: itself where it is visible in Latin-1, else one from U+0100 on. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

const BYTES = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));
const utf8 = new TextEncoder();

function byteCharacters(): string[] {
  let hidden = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(visible ? byte : 0x100 + hidden++);
  });
}

/** The bytes that a piece of a vocabulary stands for; characters outside the alphabet stand for themselves. */
export function pieceBytes(piece: string): Uint8Array {
  return Uint8Array.from([...piece].flatMap((character) => BYTES.get(character) ?? [...utf8.encode(character)]));
}
