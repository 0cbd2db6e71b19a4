import type { Pointer } from "../kernels.js";
import { geluAt, geluSlope } from "./gelu.js";
import { rowStatistics } from "./layer-norm.js";
import { type Memory, optionalFloats } from "./memory.js";

/** y = gelu((x - mean) · rstd · weight + bias) per row, biased variance, rstd = 1 / sqrt(var + eps). */
export function layerNormGelu(
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
      ys[r * dim + c] = geluAt(weights && biases ? normalized * weights[c] + biases[c] : normalized);
    }
    means[r] = rowMean;
    rstds[r] = rowRstd;
  }
}

/** dx overwrite; dWeight, dBias add. */
export function layerNormGeluGrad(
  memory: Memory,
  dx: Pointer,
  dWeight: Pointer,
  dBias: Pointer,
  dy: Pointer,
  x: Pointer,
  weight: Pointer,
  bias: Pointer,
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
  const biases = weights && memory.floats(bias, dim);
  const weightSums = new Float64Array(dim);
  const biasSums = new Float64Array(dim);
  const normalized = new Float64Array(dim);
  const d = new Float64Array(dim);
  for (let r = 0; r < rows; r++) {
    let sumD = 0;
    let sumDNormalized = 0;
    for (let c = 0; c < dim; c++) {
      normalized[c] = (xs[r * dim + c] - means[r]) * rstds[r];
      const slope = geluSlope(weights && biases ? normalized[c] * weights[c] + biases[c] : normalized[c]);
      const dNorm = dys[r * dim + c] * slope;
      d[c] = weights ? dNorm * weights[c] : dNorm;
      sumD += d[c];
      sumDNormalized += d[c] * normalized[c];
      weightSums[c] += dNorm * normalized[c];
      biasSums[c] += dNorm;
    }
    for (let c = 0; c < dim; c++) dxs[r * dim + c] = rstds[r] * (d[c] - sumD / dim - (normalized[c] * sumDNormalized) / dim);
  }
  if (!weights) return;
  const dWeights = memory.floats(dWeight, dim);
  const dBiases = memory.floats(dBias, dim);
  for (let c = 0; c < dim; c++) {
    dWeights[c] += weightSums[c];
    dBiases[c] += biasSums[c];
  }
}
