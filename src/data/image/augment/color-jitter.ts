/** Color jitter: brightness, contrast and saturation changed by random factors, in random order. */
import type { RawImage } from "../dataset.js";
import { brightness, contrast, saturation } from "./enhance.js";
import { between, type Random } from "./random.js";

/** How far each factor may lie from 1; 0.4 each in the pretraining recipe (BEiT). */
export interface JitterOptions {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

const KINDS = ["brightness", "contrast", "saturation"] as const;
const APPLY = { brightness, contrast, saturation };

/** Each factor is uniform in [max(0, 1 - amount), 1 + amount], the order of the three any of six, as in torchvision. */
export function colorJitter(image: RawImage, options: JitterOptions, random: Random): RawImage {
  const order = [...KINDS];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  let jittered = image;
  for (const kind of order) {
    const amount = options[kind];
    if (amount === 0) continue;
    jittered = APPLY[kind](jittered, between(random, Math.max(0, 1 - amount), 1 + amount));
  }
  return jittered;
}
