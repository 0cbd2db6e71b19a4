/** Where the symbols of a text lie: the likeliest path of CTC that spells it (Viterbi over blanks and repeats). */
import { frameCount, type TimedSymbol } from "./greedy.js";

/**
 * Aligns symbols with frames.
 *
 * @param logProbs (frames, classes), natural logarithms
 * @returns the frames of each symbol, in order; null where the text doesn't fit the frames
 */
export function alignCtc(logProbs: Float32Array, classes: number, ids: readonly number[], blank: number): TimedSymbol[] | null {
  const frames = frameCount(logProbs, classes);
  // States: a blank before each symbol, the symbols, and a blank at the end.
  const states = 2 * ids.length + 1;
  const classOf = (state: number) => (state % 2 === 0 ? blank : ids[(state - 1) / 2]!);
  let scores = new Float64Array(states).fill(Number.NEGATIVE_INFINITY);
  const steps = new Uint8Array(frames * states);
  if (frames === 0) return ids.length === 0 ? [] : null;
  scores[0] = logProbs[blank]!;
  if (states > 1) scores[1] = logProbs[classOf(1)]!;
  for (let frame = 1; frame < frames; frame++) {
    const next = new Float64Array(states);
    for (let state = 0; state < states; state++) {
      let step = 0;
      if (state > 0 && scores[state - 1]! > scores[state]!) step = 1;
      // A blank between two symbols may be left out, unless they are the same.
      const skips = state % 2 === 1 && state > 1 && classOf(state) !== classOf(state - 2);
      if (skips && scores[state - 2]! > scores[state - step]!) step = 2;
      steps[frame * states + state] = step;
      next[state] = scores[state - step]! + logProbs[frame * classes + classOf(state)]!;
    }
    scores = next;
  }
  let state = states > 1 && scores[states - 2]! > scores[states - 1]! ? states - 2 : states - 1;
  if (!(scores[state]! > Number.NEGATIVE_INFINITY)) return null;
  const spans = ids.map((id) => ({ id, start: frames, end: 0 }));
  for (let frame = frames - 1; frame >= 0; frame--) {
    if (state % 2 === 1) {
      const span = spans[(state - 1) / 2]!;
      span.start = frame;
      span.end = Math.max(span.end, frame + 1);
    }
    state -= steps[frame * states + state]!;
  }
  return spans;
}
