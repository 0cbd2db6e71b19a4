/** What a call of each kernel takes: useful floating-point operations, and the bytes that must be read and written once. */
import type { Kernels } from "./kernels.js";

/** Counted from the arguments of a call alone; a kernel without matrix products has no `flops`: memory bounds it. */
export interface Cost {
  flops: number;
  bytes: number;
}

const products = (flops: number, elements: number): Cost => ({ flops, bytes: 4 * elements });
const moved = (elements: number): Cost => ({ flops: 0, bytes: 4 * elements });

const linear = (rows: number, inDim: number, outDim: number, extra: number) =>
  products(2 * rows * inDim * outDim, rows * (inDim + outDim) + inDim * outDim + extra);

function convolution(shape: readonly number[], extra: number): Cost {
  const [batch, inTime, inChannels, outChannels, kernel, stride, padding, groups] = shape;
  const outTime = Math.max(0, Math.floor((inTime + 2 * padding - kernel) / stride) + 1);
  const weights = (outChannels * kernel * inChannels) / groups;
  return products(2 * batch * outTime * weights, batch * (inTime * inChannels + outTime * outChannels) + weights + extra);
}

/** Sums of the scores' kind, tokens x tokens for each head, number `count` of them. */
const scores = (count: number, batch: number, tokens: number, heads: number, headDim: number) =>
  2 * count * batch * heads * tokens * tokens * headDim;
/** Elements of one of queries, keys, values. */
const states = (batch: number, tokens: number, heads: number, headDim: number) => batch * tokens * heads * headDim;

/** The cost of a call, by kernel. Padding is counted as if it were there. */
export const COSTS: { readonly [K in keyof Kernels]: (...args: Parameters<Kernels[K]>) => Cost } = {
  fill: (_y, count) => moved(count),
  copy: (_y, _x, count) => moved(2 * count),
  add: (_y, _a, _b, count) => moved(3 * count),
  dropout: (_y, _x, _rng, samples, perSample) => moved(2 * samples * perSample),
  residual: (_y, _r, _x, gamma, _rng, samples, rowsPerSample, dim) => moved(3 * samples * rowsPerSample * dim + (gamma === 0 ? 0 : dim)),
  residualGrad: (_dx, dGamma, _dy, _x, _gamma, _rng, samples, rowsPerSample, dim) =>
    moved((dGamma === 0 ? 2 : 3) * samples * rowsPerSample * dim),
  linear: (_y, _x, _weight, _bias, rows, inDim, outDim) => linear(rows, inDim, outDim, outDim),
  linearGradInput: (_dx, _dy, _weight, rows, inDim, outDim) => linear(rows, inDim, outDim, 0),
  linearGradWeight: (_dWeight, _dBias, _dy, _x, rows, inDim, outDim) => linear(rows, inDim, outDim, inDim * outDim),
  linearGelu: (_y, pre, _x, _weight, _bias, rows, inDim, outDim) => linear(rows, inDim, outDim, outDim + (pre === 0 ? 0 : rows * outDim)),
  linearResidual: (_y, branch, _r, _x, _weight, _bias, gamma, _rng, samples, rowsPerSample, inDim, outDim) =>
    linear(
      samples * rowsPerSample,
      inDim,
      outDim,
      (gamma === 0 ? 1 : 2) * outDim + (branch === 0 ? 1 : 2) * samples * rowsPerSample * outDim,
    ),
  gelu: (_y, _x, count) => moved(2 * count),
  geluGrad: (_dx, _dy, _x, count) => moved(3 * count),
  layerNorm: (_y, _mean, _rstd, _x, _weight, _bias, rows, dim) => moved(2 * rows * (dim + 1)),
  layerNormGrad: (_dx, _dWeight, _dBias, _dy, _x, _weight, _mean, _rstd, rows, dim) => moved(rows * (3 * dim + 2)),
  conv1d: (_y, _x, _weight, _bias, ...shape) => convolution(shape, shape[3]),
  conv1dGradInput: (_dx, _dy, _weight, ...shape) => convolution(shape, 0),
  conv1dGradWeight: (_dWeight, _dBias, _dy, _x, ...shape) => convolution(shape, (shape[3] * shape[4] * shape[2]) / shape[7]),
  layerNormGelu: (_y, _mean, _rstd, _x, _weight, _bias, rows, dim) => moved(2 * rows * (dim + 1)),
  layerNormGeluGrad: (_dx, _dWeight, _dBias, _dy, _x, _weight, _bias, _mean, _rstd, rows, dim) => moved(rows * (3 * dim + 2)),
  attention: (_out, _logSumExp, _qkv, bias, _slopes, _positions, _lengths, _rng, batch, tokens, heads, headDim) =>
    products(
      scores(2, batch, tokens, heads, headDim),
      4 * states(batch, tokens, heads, headDim) + batch * heads * tokens + (bias === 0 ? 0 : heads * tokens * tokens),
    ),
  attentionGrad: (
    _dQkv,
    dBias,
    _dSlopes,
    _dOut,
    _out,
    _logSumExp,
    _qkv,
    bias,
    _slopes,
    _positions,
    _lengths,
    _rng,
    batch,
    tokens,
    heads,
    headDim,
  ) =>
    products(
      scores(5, batch, tokens, heads, headDim),
      8 * states(batch, tokens, heads, headDim) +
        batch * heads * tokens +
        ((bias === 0 ? 0 : 1) + (dBias === 0 ? 0 : 2)) * heads * tokens * tokens,
    ),
  relativeBias: (_bias, _table, _index, heads, positions) => moved((heads + 1) * positions),
  relativeBiasGrad: (_dTable, _dBias, _index, heads, positions) => moved((heads + 1) * positions),
  maskRows: (_y, _x, _token, _mask, rows, dim) => moved(2 * rows * dim + rows),
  maskRowsGrad: (_dx, _dToken, _dy, _mask, rows, dim) => moved(2 * rows * dim + rows),
  gatherRows: (_y, _x, _index, count, dim) => moved(2 * count * dim + count),
  gatherRowsGrad: (_dx, _dy, _index, count, xRows, dim) => moved((xRows + count) * dim + count),
  prependToken: (_y, _x, _token, batch, tokens, dim) => moved(batch * (2 * tokens + 1) * dim),
  prependTokenGrad: (_dx, _dToken, _dy, batch, tokens, dim) => moved(batch * (2 * tokens + 1) * dim),
  addPosition: (_y, _x, _position, batch, tokens, dim) => moved((2 * batch + 1) * tokens * dim),
  addPositionGrad: (_dPosition, _dy, batch, tokens, dim) => moved((batch + 2) * tokens * dim),
  patchify: (_y, _image, batch, channels, height, width) => moved(2 * batch * channels * height * width),
  meanPool: (_y, _x, _lengths, batch, tokens, dim) => moved(batch * (tokens + 1) * dim),
  meanPoolGrad: (_dx, _dy, _lengths, batch, tokens, dim) => moved(batch * (tokens + 1) * dim),
  embedding: (_y, _table, _ids, rows, dim) => moved(2 * rows * dim + rows),
  embeddingGrad: (_dTable, _dy, _ids, rows, dim) => moved(3 * rows * dim + rows),
  tanhActivation: (_y, _x, count) => moved(2 * count),
  tanhActivationGrad: (_dx, _dy, _y, count) => moved(3 * count),
  layerSkip: (_y, _x, _r, _rng, samples, perSample) => moved(2 * samples * perSample),
  layerSkipGrad: (dx, dr, _dy, _rng, samples, perSample) => moved((1 + (dx === 0 ? 0 : 1) + (dr === 0 ? 0 : 1)) * samples * perSample),
  maskChannels: (_y, _x, _mask, batch, tokens, dim) => moved(2 * batch * tokens * dim),
  averageLayer: (_target, _x, batch, tokens, dim, _first, _normalization, _scale, _eps, accumulate) =>
    moved((accumulate === 0 ? 2 : 3) * batch * tokens * dim),
  regression: (_stats, _dPrediction, _prediction, _target, _index, _normalizer, rows, dim) => moved(3 * rows * dim),
  crossEntropy: (_stats, _dLogits, _logits, _targets, _normalizer, rows, classes) => moved(3 * rows * classes),
  binaryCrossEntropy: (_stats, _dLogits, _logits, _targets, _normalizer, count) => moved(3 * count),
  ctc: (_stats, _dLogits, _logits, _targets, _targetLengths, _frameLengths, _normalizer, batch, time, classes, maxTarget) =>
    moved(batch * time * (2 * classes + 2 * (2 * maxTarget + 1))),
  squaredNorm: (_y, _x, count) => moved(count),
  clipScale: () => moved(2),
  adamw: (_parameter, _m, _v, _gradient, _gradScale, _scalars, count) => moved(7 * count),
  ema: (_teacher, _student, _decay, count) => moved(3 * count),
};
