import type { Pointer } from "../kernels.js";
import { keepFactors } from "./keep.js";
import { type Memory, optionalFloats } from "./memory.js";

/** y = r + keep(sample) / (1 - dropPath) * gamma[c] * x; a dropped sample takes nothing of x. */
export function residual(
  memory: Memory,
  y: Pointer,
  r: Pointer,
  x: Pointer,
  gamma: Pointer,
  rng: Pointer,
  samples: number,
  rowsPerSample: number,
  dim: number,
  dropPath: number,
  purpose: number,
): void {
  const perSample = rowsPerSample * dim;
  const ys = memory.floats(y, samples * perSample);
  const rs = memory.floats(r, samples * perSample);
  const xs = memory.floats(x, samples * perSample);
  const gammas = optionalFloats(memory, gamma, dim);
  const keep = keepFactors(dropPath > 0 ? memory.words(rng, 4) : undefined, dropPath, purpose);
  for (let s = 0; s < samples; s++) {
    const factor = keep(s, 0);
    for (let e = 0; e < perSample; e++) {
      const at = s * perSample + e;
      ys[at] = factor === 0 ? rs[at] : rs[at] + factor * (gammas ? gammas[e % dim] : 1) * xs[at];
    }
  }
}

/** dx = keep / (1 - dropPath) * gamma * dy; dGamma[c] += sum of keep / (1 - dropPath) * dy * x. */
export function residualGrad(
  memory: Memory,
  dx: Pointer,
  dGamma: Pointer,
  dy: Pointer,
  x: Pointer,
  gamma: Pointer,
  rng: Pointer,
  samples: number,
  rowsPerSample: number,
  dim: number,
  dropPath: number,
  purpose: number,
): void {
  const perSample = rowsPerSample * dim;
  const dxs = memory.floats(dx, samples * perSample);
  const dys = memory.floats(dy, samples * perSample);
  const gammas = optionalFloats(memory, gamma, dim);
  const dGammas = optionalFloats(memory, dGamma, dim);
  const xs = dGammas && memory.floats(x, samples * perSample);
  const sums = new Float64Array(dim);
  const keep = keepFactors(dropPath > 0 ? memory.words(rng, 4) : undefined, dropPath, purpose);
  for (let s = 0; s < samples; s++) {
    const factor = keep(s, 0);
    for (let e = 0; e < perSample; e++) {
      const at = s * perSample + e;
      dxs[at] = factor === 0 ? 0 : factor * (gammas ? gammas[e % dim] : 1) * dys[at];
      if (xs && factor !== 0) sums[e % dim] += factor * dys[at] * xs[at];
    }
  }
  if (dGammas) for (let c = 0; c < dim; c++) dGammas[c] += sums[c];
}
