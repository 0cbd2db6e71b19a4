/** Best-path decoding of CTC: the likeliest class of each frame, repeats collapsed, blanks dropped (Graves et al. 2006, 3.2). */

/** A symbol, or a word, and the frames that it lies on. */
export interface TimedSymbol {
  readonly id: number;
  /** First frame. */
  readonly start: number;
  /** The frame after the last. */
  readonly end: number;
}

/** The symbols between two boundaries. */
export interface TimedWord {
  readonly ids: readonly number[];
  readonly start: number;
  readonly end: number;
}

/** What best-path decoding finds. */
export interface GreedyResult {
  readonly ids: readonly number[];
  readonly symbols: readonly TimedSymbol[];
  readonly words: readonly TimedWord[];
  /** Natural logarithm of the probability of the path. */
  readonly score: number;
}

/**
 * Decodes one sequence.
 *
 * @param logProbs (frames, classes), natural logarithms
 * @param vocabulary which classes are the blank and the boundary between words
 * @throws where a frame has no finite log-probability, or the sizes don't match
 */
export function decodeGreedy(
  logProbs: Float32Array,
  classes: number,
  vocabulary: { readonly blank: number; readonly boundary: number },
): GreedyResult {
  const frames = frameCount(logProbs, classes);
  const symbols: TimedSymbol[] = [];
  let score = 0;
  let last = -1;
  for (let frame = 0; frame < frames; frame++) {
    let best = -1;
    let highest = Number.NEGATIVE_INFINITY;
    for (let id = 0; id < classes; id++) {
      const value = logProbs[frame * classes + id]!;
      if (value > highest) {
        highest = value;
        best = id;
      }
    }
    if (best < 0 || !Number.isFinite(highest)) throw new Error(`CTC: frame ${frame} has no finite log-probability`);
    score += highest;
    if (best !== vocabulary.blank) {
      if (best === last) symbols.push({ ...symbols.pop()!, end: frame + 1 });
      else symbols.push({ id: best, start: frame, end: frame + 1 });
    }
    last = best;
  }
  return { ids: symbols.map(({ id }) => id), symbols, words: timedWords(symbols, vocabulary.boundary), score };
}

/**
 * Frames of an array of (frames, classes).
 *
 * @throws where it holds no whole number of them
 */
export function frameCount(logProbs: Float32Array, classes: number): number {
  const frames = logProbs.length / classes;
  if (!Number.isInteger(classes) || classes < 1 || !Number.isInteger(frames)) {
    throw new RangeError(`CTC: logProbs: expected frames of ${classes} classes, got ${logProbs.length} values`);
  }
  return frames;
}

/** Groups symbols into the words between boundaries. */
export function timedWords(symbols: readonly TimedSymbol[], boundary: number): TimedWord[] {
  const words: TimedWord[] = [];
  let current: TimedSymbol[] = [];
  const finish = () => {
    if (current.length > 0) words.push({ ids: current.map(({ id }) => id), start: current[0]!.start, end: current.at(-1)!.end });
    current = [];
  };
  for (const symbol of symbols) {
    if (symbol.id === boundary) finish();
    else current.push(symbol);
  }
  finish();
  return words;
}
