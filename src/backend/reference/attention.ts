import type { Pointer } from "../kernels.js";
import { type Keep, keepFactors } from "./keep.js";
import { type Floats, type Memory, optionalFloats, optionalInts } from "./memory.js";

interface Shape {
  batch: number;
  tokens: number;
  heads: number;
  headDim: number;
}

interface Inputs extends Shape {
  qkv: Floats;
  bias: Floats | undefined;
  slopes: Floats | undefined;
  positions: Int32Array | undefined;
  lengths: Int32Array | undefined;
  keep: Keep;
}

/** out = softmax(q kᵀ / sqrt(headDim) + bias − max(slope, 0) · distance) v per sample and head; saves the log-sum-exp of the biased logits. */
export function attention(
  memory: Memory,
  out: Pointer,
  logSumExp: Pointer,
  qkv: Pointer,
  bias: Pointer,
  slopes: Pointer,
  positions: Pointer,
  lengths: Pointer,
  rng: Pointer,
  batch: number,
  tokens: number,
  heads: number,
  headDim: number,
  dropout: number,
  purpose: number,
): void {
  const inputs = readInputs(memory, { qkv, bias, slopes, positions, lengths, rng }, { batch, tokens, heads, headDim }, dropout, purpose);
  const outs = memory.floats(out, batch * tokens * heads * headDim);
  const logSumExps = memory.floats(logSumExp, batch * heads * tokens);
  const logits = new Float64Array(tokens);
  const sums = new Float64Array(headDim);
  forEachQuery(inputs, (b, h, i, keys) => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < keys; j++) {
      logits[j] = logit(inputs, b, h, i, j);
      largest = Math.max(largest, logits[j]);
    }
    let total = 0;
    sums.fill(0);
    for (let j = 0; j < keys; j++) {
      const weight = Math.exp(logits[j] - largest);
      total += weight;
      const kept = inputs.keep(b, elementIndex(inputs, h, i, j)) * weight;
      const v = rowOf(inputs, b, j, 2, h);
      for (let d = 0; d < headDim; d++) sums[d] += kept * inputs.qkv[v + d];
    }
    const at = ((b * tokens + i) * heads + h) * headDim;
    for (let d = 0; d < headDim; d++) outs[at + d] = keys > 0 ? sums[d] / total : 0;
    logSumExps[(b * heads + h) * tokens + i] = keys > 0 ? largest + Math.log(total) : Number.NEGATIVE_INFINITY;
  });
}

/** dQkv overwrite; dBias adds, summed over the batch; dSlopes adds, summed over batch, queries and keys. */
export function attentionGrad(
  memory: Memory,
  dQkv: Pointer,
  dBias: Pointer,
  dSlopes: Pointer,
  dOut: Pointer,
  out: Pointer,
  logSumExp: Pointer,
  qkv: Pointer,
  bias: Pointer,
  slopes: Pointer,
  positions: Pointer,
  lengths: Pointer,
  rng: Pointer,
  batch: number,
  tokens: number,
  heads: number,
  headDim: number,
  dropout: number,
  purpose: number,
): void {
  const inputs = readInputs(memory, { qkv, bias, slopes, positions, lengths, rng }, { batch, tokens, heads, headDim }, dropout, purpose);
  const dOuts = memory.floats(dOut, batch * tokens * heads * headDim);
  const outs = memory.floats(out, batch * tokens * heads * headDim);
  const logSumExps = memory.floats(logSumExp, batch * heads * tokens);
  const dBiases = optionalFloats(memory, dBias, heads * tokens * tokens);
  const dSlopeValues = optionalFloats(memory, dSlopes, heads);
  const scale = 1 / Math.sqrt(headDim);
  const sums = new Float64Array(batch * tokens * 3 * heads * headDim);
  const biasSums = new Float64Array(dBiases ? heads * tokens * tokens : 0);
  const slopeSums = new Float64Array(heads);
  forEachQuery(inputs, (b, h, i, keys) => {
    const at = ((b * tokens + i) * heads + h) * headDim;
    const q = rowOf(inputs, b, i, 0, h);
    let delta = 0;
    for (let d = 0; d < headDim; d++) delta += dOuts[at + d] * outs[at + d];
    for (let j = 0; j < keys; j++) {
      const k = rowOf(inputs, b, j, 1, h);
      const v = rowOf(inputs, b, j, 2, h);
      const probability = Math.exp(logit(inputs, b, h, i, j) - logSumExps[(b * heads + h) * tokens + i]);
      const keep = inputs.keep(b, elementIndex(inputs, h, i, j));
      let dKept = 0;
      for (let d = 0; d < headDim; d++) {
        dKept += dOuts[at + d] * inputs.qkv[v + d];
        sums[v + d] += keep * probability * dOuts[at + d];
      }
      const dLogit = probability * (keep * dKept - delta);
      if (dBiases) biasSums[(h * tokens + i) * tokens + j] += dLogit;
      if (dSlopeValues && !(inputs.slopes![h] < 0)) slopeSums[h] -= dLogit * distance(inputs, b, i, j);
      for (let d = 0; d < headDim; d++) {
        sums[q + d] += scale * dLogit * inputs.qkv[k + d];
        sums[k + d] += scale * dLogit * inputs.qkv[q + d];
      }
    }
  });
  memory.floats(dQkv, sums.length).set(sums);
  if (dBiases) for (let p = 0; p < biasSums.length; p++) dBiases[p] += biasSums[p];
  if (dSlopeValues) for (let h = 0; h < heads; h++) dSlopeValues[h] += slopeSums[h];
}

function readInputs(
  memory: Memory,
  { qkv, bias, slopes, positions, lengths, rng }: Record<"qkv" | "bias" | "slopes" | "positions" | "lengths" | "rng", Pointer>,
  shape: Shape,
  dropout: number,
  purpose: number,
): Inputs {
  const { batch, tokens, heads, headDim } = shape;
  return {
    ...shape,
    qkv: memory.floats(qkv, batch * tokens * 3 * heads * headDim),
    bias: optionalFloats(memory, bias, heads * tokens * tokens),
    slopes: optionalFloats(memory, slopes, heads),
    positions: optionalInts(memory, positions, batch * tokens),
    lengths: optionalInts(memory, lengths, batch),
    keep: keepFactors(dropout > 0 ? memory.words(rng, 4) : undefined, dropout, purpose),
  };
}

function forEachQuery({ batch, heads, tokens, lengths }: Inputs, visit: (b: number, h: number, i: number, keys: number) => void): void {
  for (let b = 0; b < batch; b++) {
    const keys = lengths ? Math.max(0, Math.min(tokens, lengths[b])) : tokens;
    for (let h = 0; h < heads; h++) for (let i = 0; i < tokens; i++) visit(b, h, i, keys);
  }
}

/** Where the query (part 0), key (1) or value (2) of a token begins in qkv. */
function rowOf({ tokens, heads, headDim }: Shape, b: number, token: number, part: number, h: number): number {
  return (((b * tokens + token) * 3 + part) * heads + h) * headDim;
}

function logit(inputs: Inputs, b: number, h: number, i: number, j: number): number {
  const { tokens, headDim, qkv, bias, slopes } = inputs;
  const q = rowOf(inputs, b, i, 0, h);
  const k = rowOf(inputs, b, j, 1, h);
  let dot = 0;
  for (let d = 0; d < headDim; d++) dot += qkv[q + d] * qkv[k + d];
  const alibi = slopes ? Math.max(slopes[h], 0) * distance(inputs, b, i, j) : 0;
  return dot / Math.sqrt(headDim) + (bias ? bias[(h * tokens + i) * tokens + j] : 0) - alibi;
}

/** Between the positions of two tokens; 0 where one of them has none. */
function distance({ tokens, positions }: Inputs, b: number, i: number, j: number): number {
  const [from, to] = positions ? [positions[b * tokens + i], positions[b * tokens + j]] : [i, j];
  return from < 0 || to < 0 ? 0 : Math.abs(from - to);
}

function elementIndex({ tokens }: Shape, h: number, i: number, j: number): number {
  return (h * tokens + i) * Math.ceil(tokens / 4) * 4 + j;
}
