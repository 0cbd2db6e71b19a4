import type { Philox } from "../../backend/philox.js";

/** BEiT's block-wise masking. */
export interface BlockMaskConfig {
  /** Rows and columns of the square grid of patches. */
  side: number;
  /** Patches to mask; the result may fall a little short, never above. */
  target: number;
  /** Smallest and largest area a block is drawn with, in patches. */
  minPatches: number;
  maxPatches: number;
  /** Smallest aspect ratio; the largest is its inverse. */
  minAspect: number;
}

/** Draws per block before the generator gives up. */
const ATTEMPTS = 10;

/**
 * A block-wise mask (side · side, row-major; 1 is masked), as in the code behind the paper (section 4.1 there, BEiT's generator): blocks of
 * random area and aspect ratio are set until `target` patches are masked or no block fits any more.
 */
export function blockMask({ side, target, minPatches, maxPatches, minAspect }: BlockMaskConfig, random: Philox): Uint8Array {
  const mask = new Uint8Array(side * side);
  const logAspect = Math.log(minAspect);
  const uniform = (low: number, high: number) => low + (high - low) * random.uniform();

  const placeBlock = (room: number): number => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const area = uniform(minPatches, room);
      const aspect = Math.exp(uniform(logAspect, -logAspect));
      const height = Math.round(Math.sqrt(area * aspect));
      const width = Math.round(Math.sqrt(area / aspect));
      if (height >= side || width >= side) continue;
      const top = random.int(side - height + 1);
      const left = random.int(side - width + 1);
      const added = height * width - countMasked(top, left, height, width);
      if (added <= 0 || added > room) continue;
      for (let row = top; row < top + height; row++) mask.fill(1, row * side + left, row * side + left + width);
      return added;
    }
    return 0;
  };
  const countMasked = (top: number, left: number, height: number, width: number): number => {
    let count = 0;
    for (let row = top; row < top + height; row++) {
      for (let column = left; column < left + width; column++) count += mask[row * side + column];
    }
    return count;
  };

  for (let masked = 0; masked < target; ) {
    const added = placeBlock(Math.min(target - masked, maxPatches));
    if (added === 0) break;
    masked += added;
  }
  return mask;
}
