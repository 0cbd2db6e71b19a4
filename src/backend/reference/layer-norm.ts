import type { Pointer } from "../kernels.js";
import { type Memory, optionalFloats } from "./memory.js";

/** y = (x - mean) · rstd · weight + bias per row, biased variance, rstd = 1 / sqrt(var + eps). */
export function layerNorm(
  memory: Memory,
  y: Pointer,
  mean: Pointer,
  rstd: Pointer,
  x: Pointer,
  weight: Pointer,
  bias: Pointer,
  rows: number,
  dim: number,
  eps: number,
): void {
  const ys = memory.floats(y, rows * dim);
  const means = memory.floats(mean, rows);
  const rstds = memory.floats(rstd, rows);
  const xs = memory.floats(x, rows * dim);
  const weights = optionalFloats(memory, weight, dim);
  const biases = weights && memory.floats(bias, dim);
  for (let r = 0; r < rows; r++) {
    const row = xs.subarray(r * dim, (r + 1) * dim);
    const [rowMean, rowRstd] = rowStatistics(row, eps);
    for (let c = 0; c < dim; c++) {
      const normalized = (row[c] - rowMean) * rowRstd;
      ys[r * dim + c] = weights && biases ? normalized * weights[c] + biases[c] : normalized;
    }
    means[r] = rowMean;
    rstds[r] = rowRstd;
  }
}

/** dx overwrite; dWeight, dBias add. */
export function layerNormGrad(
  memory: Memory,
  dx: Pointer,
  dWeight: Pointer,
  dBias: Pointer,
  dy: Pointer,
  x: Pointer,
  weight: Pointer,
  mean: Pointer,
  rstd: Pointer,
  rows: number,
  dim: number,
): void {
  const dxs = memory.floats(dx, rows * dim);
  const dys = memory.floats(dy, rows * dim);
  const xs = memory.floats(x, rows * dim);
  const means = memory.floats(mean, rows);
  const rstds = memory.floats(rstd, rows);
  const weights = optionalFloats(memory, weight, dim);
  const weightSums = new Float64Array(dim);
  const biasSums = new Float64Array(dim);
  for (let r = 0; r < rows; r++) {
    let sumD = 0;
    let sumDNormalized = 0;
    for (let c = 0; c < dim; c++) {
      const dyAt = dys[r * dim + c];
      const normalized = (xs[r * dim + c] - means[r]) * rstds[r];
      const d = weights ? dyAt * weights[c] : dyAt;
      sumD += d;
      sumDNormalized += d * normalized;
      weightSums[c] += dyAt * normalized;
      biasSums[c] += dyAt;
    }
    for (let c = 0; c < dim; c++) {
      const normalized = (xs[r * dim + c] - means[r]) * rstds[r];
      const d = weights ? dys[r * dim + c] * weights[c] : dys[r * dim + c];
      dxs[r * dim + c] = rstds[r] * (d - sumD / dim - (normalized * sumDNormalized) / dim);
    }
  }
  if (!weights) return;
  const dWeights = memory.floats(dWeight, dim);
  const dBiases = memory.floats(dBias, dim);
  for (let c = 0; c < dim; c++) {
    dWeights[c] += weightSums[c];
    dBiases[c] += biasSums[c];
  }
}

/** Mean and 1 / sqrt(biased variance + eps) of some numbers. */
export function rowStatistics(row: ArrayLike<number>, eps: number): [mean: number, rstd: number] {
  let sum = 0;
  for (let c = 0; c < row.length; c++) sum += row[c];
  const mean = sum / row.length;
  let squares = 0;
  for (let c = 0; c < row.length; c++) squares += (row[c] - mean) ** 2;
  return [mean, 1 / Math.sqrt(squares / row.length + Math.fround(eps))];
}
