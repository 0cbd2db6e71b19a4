import type { Philox } from "../../backend/philox.js";

/** fairseq's masking in spans. */
export interface SpanMaskConfig {
  /** Positions of all spans over all positions, before spans overlap. */
  probability: number;
  /** Positions of a span. */
  span: number;
  /** Least number of spans. */
  minSpans: number;
}

/** A span takes no more than this part of a sequence, so that short clips keep something to predict from. */
const LARGEST_PART = 1 / 3;

/**
 * A mask (`length`; 1 is masked) of spans with distinct random starts, which may overlap: the static rule of fairseq's code behind the paper
 * (wav2vec 2.0, section 3.1). The last position is never masked. Spans longer than a third of the sequence are cut to it.
 */
export function spanMask(length: number, { probability, span: longest, minSpans }: SpanMaskConfig, random: Philox): Uint8Array {
  const mask = new Uint8Array(length);
  const span = Math.min(longest, Math.max(1, Math.floor(length * LARGEST_PART)));
  const count = Math.max(Math.floor((probability * length) / span + random.uniform()), minSpans);
  if (count === 0 || length < 2) return mask;
  // Where there are too few starts, fairseq lets spans begin later and be cut off.
  const starts = length - span > count ? length - span : Math.min(count + 1, length - 1);
  for (const start of distinct(Math.min(count, starts), starts, random)) mask.fill(1, start, Math.min(start + span, length - 1));
  return mask;
}

/**
 * Unmasks random positions until all masks have as many as the one with the fewest, which it returns.
 *
 * @param random a stream for each mask
 */
export function equalizeMasks(masks: readonly Uint8Array[], random: (row: number) => Philox): number {
  const masked = masks.map((mask) => Array.from(mask.keys()).filter((position) => mask[position] === 1));
  const fewest = Math.min(...masked.map((positions) => positions.length));
  for (const [row, positions] of masked.entries()) {
    const excess = positions.length - fewest;
    if (excess === 0) continue;
    for (const at of distinct(excess, positions.length, random(row))) masks[row][positions[at]] = 0;
  }
  return fewest;
}

/** So many distinct numbers below `range`, each choice of them as likely. */
function distinct(count: number, range: number, random: Philox): number[] {
  const numbers = Int32Array.from({ length: range }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => {
    const other = i + random.int(range - i);
    const chosen = numbers[other];
    numbers[other] = numbers[i];
    numbers[i] = chosen;
    return chosen;
  });
}
