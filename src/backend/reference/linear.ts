import type { Pointer } from "../kernels.js";
import { type Memory, optionalFloats } from "./memory.js";

/** y[rows, out] = x[rows, in] · weight[out, in]ᵀ + bias[out] */
export function linear(
  memory: Memory,
  y: Pointer,
  x: Pointer,
  weight: Pointer,
  bias: Pointer,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  const ys = memory.floats(y, rows * outDim);
  const xs = memory.floats(x, rows * inDim);
  const weights = memory.floats(weight, outDim * inDim);
  const biases = optionalFloats(memory, bias, outDim);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outDim; o++) {
      let sum = biases ? biases[o] : 0;
      for (let i = 0; i < inDim; i++) sum += xs[r * inDim + i] * weights[o * inDim + i];
      ys[r * outDim + o] = sum;
    }
  }
}

/** dx[rows, in] = dy[rows, out] · weight */
export function linearGradInput(
  memory: Memory,
  dx: Pointer,
  dy: Pointer,
  weight: Pointer,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  const dxs = memory.floats(dx, rows * inDim);
  const dys = memory.floats(dy, rows * outDim);
  const weights = memory.floats(weight, outDim * inDim);
  const sums = new Float64Array(inDim);
  for (let r = 0; r < rows; r++) {
    sums.fill(0);
    for (let o = 0; o < outDim; o++) {
      const d = dys[r * outDim + o];
      for (let i = 0; i < inDim; i++) sums[i] += d * weights[o * inDim + i];
    }
    dxs.set(sums, r * inDim);
  }
}

/** dWeight[out, in] += dyᵀ · x; dBias[out] += column sums of dy */
export function linearGradWeight(
  memory: Memory,
  dWeight: Pointer,
  dBias: Pointer,
  dy: Pointer,
  x: Pointer,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  const dWeights = memory.floats(dWeight, outDim * inDim);
  const dBiases = optionalFloats(memory, dBias, outDim);
  const dys = memory.floats(dy, rows * outDim);
  const xs = memory.floats(x, rows * inDim);
  const sums = new Float64Array(inDim);
  for (let o = 0; o < outDim; o++) {
    let biasSum = 0;
    sums.fill(0);
    for (let r = 0; r < rows; r++) {
      const d = dys[r * outDim + o];
      biasSum += d;
      for (let i = 0; i < inDim; i++) sums[i] += d * xs[r * inDim + i];
    }
    for (let i = 0; i < inDim; i++) dWeights[o * inDim + i] += sums[i];
    if (dBiases) dBiases[o] += biasSum;
  }
}
