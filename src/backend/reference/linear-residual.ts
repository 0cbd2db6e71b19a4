import type { Pointer } from "../kernels.js";
import { linear } from "./linear.js";
import type { Memory } from "./memory.js";
import { residual } from "./residual.js";

/** branch = x · weightᵀ + bias, y = residual(r, branch); branch may be absent. */
export function linearResidual(
  memory: Memory,
  y: Pointer,
  branch: Pointer,
  r: Pointer,
  x: Pointer,
  weight: Pointer,
  bias: Pointer,
  gamma: Pointer,
  rng: Pointer,
  samples: number,
  rowsPerSample: number,
  inDim: number,
  outDim: number,
  dropPath: number,
  purpose: number,
): void {
  const to = branch === 0 ? y : branch;
  linear(memory, to, x, weight, bias, samples * rowsPerSample, inDim, outDim);
  residual(memory, y, r, to, gamma, rng, samples, rowsPerSample, outDim, dropPath, purpose);
}
