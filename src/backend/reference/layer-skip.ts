import type { Pointer } from "../kernels.js";
import { keepFactors } from "./keep.js";
import { type Memory, optionalFloats } from "./memory.js";

/** y[s] = keep(s) ? x[s] : r[s] */
export function layerSkip(
  memory: Memory,
  y: Pointer,
  x: Pointer,
  r: Pointer,
  rng: Pointer,
  samples: number,
  perSample: number,
  probability: number,
  purpose: number,
): void {
  const ys = memory.floats(y, samples * perSample);
  const xs = memory.floats(x, samples * perSample);
  const rs = memory.floats(r, samples * perSample);
  const keep = keepFactors(probability > 0 ? memory.words(rng, 4) : undefined, probability, purpose);
  for (let s = 0; s < samples; s++) {
    const source = keep(s, 0) !== 0 ? xs : rs;
    for (let at = s * perSample; at < (s + 1) * perSample; at++) ys[at] = source[at];
  }
}

/** dx[s] = keep(s) ? dy[s] : 0; dr[s] = keep(s) ? 0 : dy[s]; either may be absent. */
export function layerSkipGrad(
  memory: Memory,
  dx: Pointer,
  dr: Pointer,
  dy: Pointer,
  rng: Pointer,
  samples: number,
  perSample: number,
  probability: number,
  purpose: number,
): void {
  const dxs = optionalFloats(memory, dx, samples * perSample);
  const drs = optionalFloats(memory, dr, samples * perSample);
  const dys = memory.floats(dy, samples * perSample);
  const keep = keepFactors(probability > 0 ? memory.words(rng, 4) : undefined, probability, purpose);
  for (let s = 0; s < samples; s++) {
    const kept = keep(s, 0) !== 0;
    for (let at = s * perSample; at < (s + 1) * perSample; at++) {
      if (dxs) dxs[at] = kept ? dys[at] : 0;
      if (drs) drs[at] = kept ? 0 : dys[at];
    }
  }
}
