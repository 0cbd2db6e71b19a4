/** Counter-based randomness (Philox4x32-10, Salmon et al. 2011): a pure function of key and counter, the same bits on every engine. */

type Words4 = readonly [number, number, number, number];

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** The four 32-bit words of Philox4x32-10 for one counter under one key; all words are unsigned. */
export function philox4x32(counter: Words4, key: readonly [number, number]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The low and high 32 bits of a seed, as the device's rng block and Philox keys take them. */
export function seedWords(seed: number): [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed: expected a non-negative safe integer, got ${seed}`);
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/**
 * A stream of random numbers that depends on (seed, purpose, indices) alone, so that a sample's draws are the same whatever the number of
 * workers and whatever was drawn elsewhere. The purpose and each index pass through Philox once to derive the key of the stream; its
 * counter is the index of the block of four words.
 */
export class Philox {
  readonly #key: [number, number];
  #block = 0;
  #words: number[] = [];
  #spareNormal: number | undefined;

  /**
   * @param seed non-negative safe integer
   * @param purpose what the numbers are for ("mask", "crop", ...); streams of different purposes are independent
   * @param indices non-negative safe integers that tell streams of one purpose apart, such as epoch and sample
   */
  constructor(seed: number, purpose: string | number, ...indices: number[]) {
    const purposeWord = typeof purpose === "string" ? hash(purpose) : purpose >>> 0;
    let key = derive(seedWords(seed), purposeWord, typeof purpose === "string" ? 1 : 0, 0);
    for (const [position, index] of indices.entries()) {
      const [low, high] = seedWords(index);
      key = derive(key, low, high, position + 1);
    }
    this.#key = key;
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    if (this.#words.length === 0) {
      this.#words = philox4x32([this.#block >>> 0, Math.floor(this.#block / 2 ** 32), 0, 0], this.#key).reverse();
      this.#block++;
    }
    return this.#words.pop()!;
  }

  /** A number in [0, 1), a multiple of 2^-32. */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  /** An integer in [0, n), without bias, for 1 <= n <= 2^32. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) throw new RangeError(`Philox.int: expected 1 <= n <= 2^32, got ${n}`);
    const limit = 2 ** 32 - (2 ** 32 % n);
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % n;
  }

  /** A draw from the standard normal distribution (Box-Muller). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / 2 ** 32));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const item = items[i];
      items[i] = items[j];
      items[j] = item;
    }
    return items;
  }
}

function derive(key: readonly [number, number], a: number, b: number, position: number): [number, number] {
  const [low, high] = philox4x32([a, b, position, 0x64327673], key);
  return [low, high];
}

/** FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state >>> 0;
}

/** The upper 32 bits of the product of two unsigned 32-bit integers, in steps that stay exact in doubles. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16);
}
