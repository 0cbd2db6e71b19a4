/** Mixup (Zhang et al. 2017) and CutMix (Yun et al. 2019) of a whole batch, with label smoothing, as timm's batch mode. */
import type { Random } from "./augment/random.js";

/** How to mix; the recipe has mixup 0.8, cutmix 1, switchProbability 0.5, probability 1, labelSmoothing 0.1. */
export interface MixOptions {
  /** Alpha of mixup's Beta(alpha, alpha); 0 is off. */
  readonly mixup: number;
  /** Alpha of CutMix's; 0 is off. */
  readonly cutmix: number;
  /** How likely it is CutMix where both are on. */
  readonly switchProbability: number;
  /** How likely a batch is mixed at all. */
  readonly probability: number;
  /** Part of a label that is spread evenly over all classes. */
  readonly labelSmoothing: number;
}

/** A rectangle of an image: rows top..bottom-1, columns left..right-1. */
interface Patch {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/**
 * Mixes every image of a batch with its mirror in the batch (the first with the last and so on), in place, all with one weight; and gives the
 * targets that belong to it.
 *
 * @param pixels (batch, channels, height, width), overwritten
 * @param shape the sizes of `pixels`
 * @param labels class of each image
 * @param classes number of classes
 * @returns soft targets (batch, classes), each row with sum 1
 */
export function mixBatch(
  pixels: Float32Array,
  shape: readonly [batch: number, channels: number, height: number, width: number],
  labels: Int32Array,
  classes: number,
  options: MixOptions,
  random: Random,
): Float32Array {
  const [batch, , height, width] = shape;
  const { mixup, cutmix } = options;
  let weight = 1;
  if ((mixup > 0 || cutmix > 0) && random.uniform() < options.probability) {
    const useCutmix = cutmix > 0 && (mixup === 0 || random.uniform() < options.switchProbability);
    weight = beta(useCutmix ? cutmix : mixup, random);
    if (useCutmix) {
      const patch = randomPatch(height, width, weight, random);
      swapPatch(pixels, shape, patch);
      weight = 1 - ((patch.bottom - patch.top) * (patch.right - patch.left)) / (height * width);
    } else {
      blend(pixels, batch, weight);
    }
  }
  return softTargets(labels, classes, options.labelSmoothing, weight);
}

/** Mixed, smoothed one-hot rows (batch, classes): `weight` of an image's own label, the rest of its mirror's. */
function softTargets(labels: Int32Array, classes: number, smoothing: number, weight: number): Float32Array {
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes);
  for (let i = 0; i < labels.length; i++) {
    const own = labels[i]!;
    const other = labels[labels.length - 1 - i]!;
    if (own < 0 || own >= classes) throw new RangeError(`mixBatch: label ${own} is outside 0..${classes - 1}`);
    targets[i * classes + own]! += (1 - smoothing) * weight;
    targets[i * classes + other]! += (1 - smoothing) * (1 - weight);
  }
  return targets;
}

function blend(pixels: Float32Array, batch: number, weight: number): void {
  const size = pixels.length / batch;
  for (let i = 0; i < batch - 1 - i; i++) {
    const first = i * size;
    const second = (batch - 1 - i) * size;
    for (let k = 0; k < size; k++) {
      const a = pixels[first + k]!;
      const b = pixels[second + k]!;
      pixels[first + k] = a * weight + b * (1 - weight);
      pixels[second + k] = b * weight + a * (1 - weight);
    }
  }
}

function swapPatch(pixels: Float32Array, [batch, channels, height, width]: readonly number[], patch: Patch): void {
  const plane = height! * width!;
  for (let i = 0; i < batch! - 1 - i; i++) {
    for (let c = 0; c < channels!; c++) {
      const first = (i * channels! + c) * plane;
      const second = ((batch! - 1 - i) * channels! + c) * plane;
      for (let y = patch.top; y < patch.bottom; y++) {
        for (let x = patch.left; x < patch.right; x++) {
          const at = y * width! + x;
          const kept = pixels[first + at]!;
          pixels[first + at] = pixels[second + at]!;
          pixels[second + at] = kept;
        }
      }
    }
  }
}

/** A rectangle of area 1 - weight around a random center, cut off at the border. */
function randomPatch(height: number, width: number, weight: number, random: Random): Patch {
  const side = Math.sqrt(1 - weight);
  const [h, w] = [Math.floor(height * side), Math.floor(width * side)];
  const [y, x] = [random.int(height), random.int(width)];
  const top = y - Math.floor(h / 2);
  const left = x - Math.floor(w / 2);
  return { top: Math.max(0, top), bottom: Math.min(height, top + h), left: Math.max(0, left), right: Math.min(width, left + w) };
}

/** A draw from Beta(alpha, alpha). */
function beta(alpha: number, random: Random): number {
  const a = gamma(alpha, random);
  const b = gamma(alpha, random);
  // Both underflow only for tiny alpha, where the distribution is 0 or 1.
  return a + b === 0 ? random.int(2) : a / (a + b);
}

/** A draw from Gamma(shape, 1) (Marsaglia and Tsang 2000). */
function gamma(shape: number, random: Random): number {
  if (shape < 1) return gamma(shape + 1, random) * (1 - random.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
