/** Finds the word somebody meant when they mistyped a key or a flag. */

/**
 * The candidate nearest to `word`, or undefined when none is near. Case, `-` and `_` don't count, a right last part in a wrong section
 * does (`batchSize` for `train.batchSize`), and so do initials (`lr` for `learningRate`).
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestScore = Math.max(2, 0.4 * lastPart(word).length) + 0.5;
  for (const candidate of candidates) {
    const last = lastPart(candidate);
    const initials = last[0] + last.slice(1).replace(/[^A-Z]/g, "");
    const score = Math.min(
      editDistance(plain(word), plain(candidate)),
      editDistance(plain(lastPart(word)), plain(last)) + 0.25,
      initials.length > 1 && plain(initials) === plain(lastPart(word)) ? 0.5 : Number.POSITIVE_INFINITY,
    );
    if (score < bestScore) {
      bestScore = score;
      best = candidate;
    }
  }
  return best;
}

/** Insertions, deletions and replacements that turn `a` into `b` (Levenshtein). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf(".") + 1);
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[-_]/g, "");
}
