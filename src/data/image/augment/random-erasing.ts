/** Random erasing (Zhong et al. 2017), pixel mode: a random rectangle of the model's input is replaced by noise. */
import { between, type Random } from "./random.js";

/** What may be erased. */
export interface ErasingOptions {
  /** How likely an image loses a rectangle; 0.25 in the recipe. */
  readonly probability: number;
  /** Least and greatest area, as parts of the image; 0.02 to 1/3 in timm. */
  readonly area: readonly [number, number];
  /** Least height / width, drawn uniformly in the logarithm up to its inverse; 0.3 in timm. */
  readonly minAspect: number;
}

const ATTEMPTS = 10;

/**
 * Replaces, with the given probability, one rectangle of a normalized image by standard normal noise, every value drawn by itself. Works in
 * place.
 *
 * @param pixels (channels, height, width)
 */
export function randomErasing(pixels: Float32Array, width: number, height: number, options: ErasingOptions, random: Random): void {
  if (random.uniform() >= options.probability) return;
  const logAspect = Math.log(options.minAspect);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = width * height * between(random, options.area[0], options.area[1]);
    const aspect = Math.exp(between(random, logAspect, -logAspect));
    const h = Math.round(Math.sqrt(area * aspect));
    const w = Math.round(Math.sqrt(area / aspect));
    if (w >= width || h >= height) continue;
    const top = random.int(height - h + 1);
    const left = random.int(width - w + 1);
    for (let plane = 0; plane < pixels.length; plane += width * height) {
      for (let y = top; y < top + h; y++) {
        for (let x = left; x < left + w; x++) pixels[plane + y * width + x] = random.normal();
      }
    }
    return;
  }
}
