import { philox4x32 } from "../philox.js";

/** The factor of an element under dropout: 0, or 1 / (1 - probability). */
export type Keep = (sample: number, element: number) => number;

/** The factors that the rng block, a probability and a purpose define (see the head of include/kernels.h); all 1 for probability 0. */
export function keepFactors(rng: Uint32Array | undefined, probability: number, purpose: number): Keep {
  // Attributes cross to the kernels as f32.
  const p = Math.fround(probability);
  if (p === 0 || rng === undefined) return () => 1;
  const threshold = Math.floor(p * 2 ** 32);
  const scale = 1 / (1 - p);
  const [seedLow, seedHigh, step, firstSample] = rng;
  let block: number[] = [];
  let blockSample = -1;
  let blockIndex = -1;
  return (sample, element) => {
    const index = element >>> 2;
    if (index !== blockIndex || sample !== blockSample) {
      block = philox4x32([index, (sample + firstSample) >>> 0, step, purpose >>> 0], [seedLow, seedHigh]);
      blockIndex = index;
      blockSample = sample;
    }
    return block[element & 3] >= threshold ? scale : 0;
  };
}
