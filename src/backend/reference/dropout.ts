import type { Pointer } from "../kernels.js";
import { keepFactors } from "./keep.js";
import type { Memory } from "./memory.js";

/** y = keep / (1 - probability) * x, element index counted within a sample. */
export function dropout(
  memory: Memory,
  y: Pointer,
  x: Pointer,
  rng: Pointer,
  samples: number,
  perSample: number,
  probability: number,
  purpose: number,
): void {
  const ys = memory.floats(y, samples * perSample);
  const xs = memory.floats(x, samples * perSample);
  const keep = keepFactors(memory.words(rng, 4), probability, purpose);
  for (let s = 0; s < samples; s++) {
    for (let e = 0; e < perSample; e++) {
      const factor = keep(s, e);
      ys[s * perSample + e] = factor === 0 ? 0 : factor * xs[s * perSample + e];
    }
  }
}
