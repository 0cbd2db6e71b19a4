/** Rows come in multiples of this. */
const MULTIPLE = 16;

/**
 * Rows of masked positions, filled up with -1 to a multiple, so that few shapes occur: an engine that records its steps
 * replays them by shape.
 */
export function padRows(rows: ArrayLike<number>): Int32Array {
  const padded = new Int32Array(Math.ceil(rows.length / MULTIPLE) * MULTIPLE).fill(-1);
  padded.set(rows);
  return padded;
}
