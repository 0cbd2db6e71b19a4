/** Word and character error rates: the least number of edits that make the reference, over the length of the references. */

/** Edits over a whole set. */
export interface ErrorRate {
  /** Edits divided by `length`; 0 without any, infinite where all references are empty but not all hypotheses. */
  readonly rate: number;
  readonly substitutions: number;
  readonly deletions: number;
  readonly insertions: number;
  /** Words or characters of the references. */
  readonly length: number;
}

type Edits = Pick<ErrorRate, "substitutions" | "deletions" | "insertions">;

/** Word error rate of hypotheses, over the whole set; words are separated by white space. */
export function wordErrorRate(references: readonly string[], hypotheses: readonly string[]): ErrorRate {
  return errorRate(references.map(wordsOf), hypotheses.map(wordsOf));
}

/** Character error rate, over the whole set; a single space between words counts as a character. */
export function characterErrorRate(references: readonly string[], hypotheses: readonly string[]): ErrorRate {
  const characters = (text: string) => [...wordsOf(text).join(" ")];
  return errorRate(references.map(characters), hypotheses.map(characters));
}

/**
 * Error rate of sequences of any tokens.
 *
 * @throws where there are not as many hypotheses as references
 */
export function errorRate<T>(references: readonly (readonly T[])[], hypotheses: readonly (readonly T[])[]): ErrorRate {
  if (references.length !== hypotheses.length) {
    throw new RangeError(`errorRate: expected ${references.length} hypotheses, one a reference, got ${hypotheses.length}`);
  }
  let [substitutions, deletions, insertions, length] = [0, 0, 0, 0];
  for (const [index, reference] of references.entries()) {
    const edits = alignTokens(reference, hypotheses[index]!);
    substitutions += edits.substitutions;
    deletions += edits.deletions;
    insertions += edits.insertions;
    length += reference.length;
  }
  const errors = substitutions + deletions + insertions;
  return { rate: errors === 0 ? 0 : errors / length, substitutions, deletions, insertions, length };
}

/** The edits of a best alignment (Levenshtein); among equally good ones a substitution goes before a deletion and an insertion. */
export function alignTokens<T>(reference: readonly T[], hypothesis: readonly T[]): Edits {
  const columns = hypothesis.length + 1;
  // Rows of (substitutions, deletions, insertions) for the reference so far against every beginning of the hypothesis.
  let above = new Int32Array(3 * columns);
  let row = new Int32Array(3 * columns);
  const cost = (counts: Int32Array, column: number) => counts[3 * column]! + counts[3 * column + 1]! + counts[3 * column + 2]!;
  for (let column = 1; column < columns; column++) above[3 * column + 2] = column;
  for (const [index, token] of reference.entries()) {
    row.set([0, index + 1, 0]);
    for (let column = 1; column < columns; column++) {
      const differs = token === hypothesis[column - 1] ? 0 : 1;
      const substitute = cost(above, column - 1) + differs;
      const remove = cost(above, column) + 1;
      const insert = cost(row, column - 1) + 1;
      const least = Math.min(substitute, remove, insert);
      const [from, source, edit, count] =
        substitute === least
          ? ([above, column - 1, 0, differs] as const)
          : remove === least
            ? ([above, column, 1, 1] as const)
            : ([row, column - 1, 2, 1] as const);
      row.set(from.subarray(3 * source, 3 * source + 3), 3 * column);
      row[3 * column + edit]! += count;
    }
    [above, row] = [row, above];
  }
  const [substitutions, deletions, insertions] = above.subarray(3 * (columns - 1));
  return { substitutions: substitutions!, deletions: deletions!, insertions: insertions! };
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
