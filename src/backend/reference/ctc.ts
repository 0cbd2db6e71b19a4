import type { Pointer } from "../kernels.js";
import { type Floats, type Memory, optionalInts } from "./memory.js";

/** Connectionist temporal classification in log space: loss, samples without a path, and the gradient of the logits. */
export function ctc(
  memory: Memory,
  stats: Pointer,
  dLogits: Pointer,
  logits: Pointer,
  targets: Pointer,
  targetLengths: Pointer,
  frameLengths: Pointer,
  normalizer: Pointer,
  batch: number,
  time: number,
  classes: number,
  maxTarget: number,
  blank: number,
): void {
  const statistics = memory.floats(stats, 2);
  const dLogit = memory.floats(dLogits, batch * time * classes).fill(0);
  const logit = memory.floats(logits, batch * time * classes);
  const target = memory.ints(targets, batch * maxTarget);
  const labelCounts = memory.ints(targetLengths, batch);
  const frameCounts = optionalInts(memory, frameLengths, batch);
  const divisor = memory.floats(normalizer, 1)[0];
  let loss = 0;
  let infinite = 0;
  for (let b = 0; b < batch; b++) {
    const frames = frameCounts?.[b] ?? time;
    const from = b * time * classes;
    const logProbabilities = logSoftmax(logit.subarray(from, from + frames * classes), classes);
    const states = withBlanks(target.subarray(b * maxTarget, b * maxTarget + labelCounts[b]), blank);
    const { logLikelihood, occupancy } = align(logProbabilities, states, blank, frames, classes);
    if (logLikelihood === Number.NEGATIVE_INFINITY) {
      infinite++;
      continue;
    }
    loss -= logLikelihood;
    for (let e = 0; e < frames * classes; e++) dLogit[from + e] = (Math.exp(logProbabilities[e]) - occupancy[e]) / divisor;
  }
  statistics[0] = loss / divisor;
  statistics[1] = infinite;
}

/** The labels with a blank before, between and after them. */
function withBlanks(labels: Int32Array, blank: number): number[] {
  return [blank, ...[...labels].flatMap((label) => [label, blank])];
}

function logSoftmax(logits: Floats, classes: number): Float64Array {
  const result = Float64Array.from(logits);
  for (let from = 0; from < result.length; from += classes) {
    const row = result.subarray(from, from + classes);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const logSum = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
    for (let c = 0; c < classes; c++) row[c] -= logSum;
  }
  return result;
}

/** The log-likelihood of all paths through the states, and how likely each class is to be emitted at each frame given the target. */
function align(logProbabilities: Float64Array, states: number[], blank: number, frames: number, classes: number) {
  const count = states.length;
  const emitted = (t: number, s: number) => logProbabilities[t * classes + states[s]];
  /** Whether a path may go from state s - 2 to s: over a blank, unless it parts two equal labels. */
  const skips = (s: number) => s >= 2 && states[s] !== blank && states[s] !== states[s - 2];
  const impossible = () => Array.from({ length: frames }, () => new Float64Array(count).fill(Number.NEGATIVE_INFINITY));

  // alpha: of all beginnings that are in state s at frame t, its emission included; beta: of all endings from there, without.
  const alpha = impossible();
  const beta = impossible();
  for (let t = 0; t < frames; t++) {
    for (let s = 0; s < count; s++) {
      const before = t === 0 ? [s < 2 ? 0 : Number.NEGATIVE_INFINITY] : [alpha[t - 1][s]];
      if (t > 0 && s >= 1) before.push(alpha[t - 1][s - 1]);
      if (t > 0 && skips(s)) before.push(alpha[t - 1][s - 2]);
      alpha[t][s] = emitted(t, s) + logSumExp(before);
    }
  }
  for (let t = frames - 1; t >= 0; t--) {
    for (let s = 0; s < count; s++) {
      const next = (to: number) => beta[t + 1][to] + emitted(t + 1, to);
      const after = t === frames - 1 ? [s >= count - 2 ? 0 : Number.NEGATIVE_INFINITY] : [next(s)];
      if (t < frames - 1 && s + 1 < count) after.push(next(s + 1));
      if (t < frames - 1 && s + 2 < count && skips(s + 2)) after.push(next(s + 2));
      beta[t][s] = logSumExp(after);
    }
  }

  const nothing = count === 1 ? 0 : Number.NEGATIVE_INFINITY;
  const logLikelihood = frames === 0 ? nothing : logSumExp([...alpha[frames - 1].subarray(Math.max(0, count - 2))]);
  const occupancy = new Float64Array(frames * classes);
  for (let t = 0; t < frames; t++) {
    for (let s = 0; s < count; s++) occupancy[t * classes + states[s]] += Math.exp(alpha[t][s] + beta[t][s] - logLikelihood);
  }
  return { logLikelihood, occupancy };
}

function logSumExp(values: number[]): number {
  const largest = Math.max(...values);
  if (largest === Number.NEGATIVE_INFINITY) return largest;
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
