/** The random numbers an augmentation draws; a `Philox` stream keyed by (seed, epoch, sample) in training. */
export interface Random {
  /** In [0, 1). */
  uniform(): number;
  /** An integer in [0, n). */
  int(n: number): number;
  /** Standard normal. */
  normal(): number;
}

/** A uniform number between two. */
export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}
