/** Masking of token sequences: spans as data2vec's text models were trained with, or single tokens as BERT's. */
import type { Philox } from "../../backend/philox.js";
import type { SpecialTokens } from "./tokenizer.js";

/** Which tokens are hidden, and how. */
export interface TextMasking {
  /** Part of the tokens covered by spans if none overlapped. */
  readonly probability: number;
  /** Tokens in a span. */
  readonly span: number;
  /** Part of the chosen tokens that get a random token instead of `<mask>`. */
  readonly random: number;
  /** Part of the chosen tokens that stay as they are. */
  readonly keep: number;
}

/** Spans of four, all `<mask>`: the released configuration, about 31 % of the tokens. */
export const SPAN_MASKING: TextMasking = { probability: 0.35, span: 4, random: 0, keep: 0 };
/** 15 % of the tokens: 80 % of them `<mask>`, 10 % random, 10 % kept (Devlin et al. 2018). */
export const BERT_MASKING: TextMasking = { probability: 0.15, span: 1, random: 0.1, keep: 0.1 };

/** What the student sees, and what it has to predict. */
export interface MaskedTokens {
  readonly tokens: Int32Array;
  /** Positions whose token is `<mask>`, ascending: those of the loss, as in fairseq. */
  readonly positions: Int32Array;
}

/**
 * Masks a sequence, its `<s>` and `</s>` like any other token. Of n tokens floor(probability * n / span + u), u uniform in [0, 1), starts of
 * spans are drawn without repetition; spans may overlap and are cut at the end. So a short sequence may stay whole.
 *
 * @param random draws of this sequence: keyed by seed, epoch and index
 */
export function maskTokens(
  ids: ArrayLike<number>,
  masking: TextMasking,
  { size, special }: { readonly size: number; readonly special: SpecialTokens },
  random: Philox,
): MaskedTokens {
  checkMasking(masking);
  const { probability, span } = masking;
  const tokens = Int32Array.from(ids);
  const count = Math.min(tokens.length, Math.floor((probability * tokens.length) / span + random.uniform()));
  const chosen = new Uint8Array(tokens.length);
  for (const start of drawDistinct(count, tokens.length, random)) chosen.fill(1, start, start + span);
  const reserved = new Set(Object.values(special));
  for (let at = 0; at < tokens.length; at++) {
    if (chosen[at] === 0) continue;
    const draw = masking.random + masking.keep > 0 ? random.uniform() : 1;
    if (draw >= masking.random + masking.keep) tokens[at] = special.mask;
    else {
      chosen[at] = 0;
      if (draw < masking.random) tokens[at] = randomToken(size, reserved, random);
    }
  }
  return { tokens, positions: Int32Array.from(tokens.keys()).filter((at) => chosen[at] === 1) };
}

/** Throws where a masking is none. */
export function checkMasking({ probability, span, random, keep }: TextMasking): void {
  if (!(probability > 0 && probability <= 1)) {
    throw new RangeError(`masking: probability: expected a number above 0 and at most 1, got ${probability}`);
  }
  if (!Number.isInteger(span) || span < 1) throw new RangeError(`masking: span: expected a whole number from 1, got ${span}`);
  if (!(random >= 0 && keep >= 0 && random + keep < 1)) {
    throw new RangeError(`masking: random and keep: expected numbers from 0 that sum to less than 1, got ${random} and ${keep}`);
  }
}

/** `count` different numbers below `limit`, every choice equally likely. */
function drawDistinct(count: number, limit: number, random: Philox): Int32Array {
  const numbers = Int32Array.from({ length: limit }, (_, number) => number);
  for (let i = 0; i < count; i++) {
    const j = i + random.int(limit - i);
    [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
  }
  return numbers.subarray(0, count);
}

/** Any token but a special one. */
function randomToken(size: number, reserved: ReadonlySet<number>, random: Philox): number {
  for (;;) {
    const id = random.int(size);
    if (!reserved.has(id)) return id;
  }
}
