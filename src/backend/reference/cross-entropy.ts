import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** Cross-entropy of soft targets with softmax(logits), its gradient, and the number of rows predicted right. */
export function crossEntropy(
  memory: Memory,
  stats: Pointer,
  dLogits: Pointer,
  logits: Pointer,
  targets: Pointer,
  normalizer: Pointer,
  rows: number,
  classes: number,
): void {
  const statistics = memory.floats(stats, 2);
  const dLogit = memory.floats(dLogits, rows * classes);
  const logit = memory.floats(logits, rows * classes);
  const target = memory.floats(targets, rows * classes);
  const divisor = memory.floats(normalizer, 1)[0];
  let loss = 0;
  let correct = 0;
  for (let r = 0; r < rows; r++) {
    const row = logit.subarray(r * classes, (r + 1) * classes);
    const wanted = target.subarray(r * classes, (r + 1) * classes);
    const best = firstLargest(row);
    let sum = 0;
    let mass = 0;
    for (let c = 0; c < classes; c++) {
      sum += Math.exp(row[c] - row[best]);
      mass += wanted[c];
    }
    const logSumExp = row[best] + Math.log(sum);
    for (let c = 0; c < classes; c++) {
      if (wanted[c] !== 0) loss -= wanted[c] * (row[c] - logSumExp);
      dLogit[r * classes + c] = (mass * Math.exp(row[c] - logSumExp) - wanted[c]) / divisor;
    }
    if (wanted.some((value) => value !== 0) && firstLargest(wanted) === best) correct++;
  }
  statistics[0] = loss / divisor;
  statistics[1] = correct;
}

function firstLargest(row: ArrayLike<number>): number {
  let best = 0;
  for (let c = 1; c < row.length; c++) if (row[c] > row[best]) best = c;
  return best;
}
