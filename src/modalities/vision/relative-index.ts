/**
 * The index of BEiT's relative-position table for a square grid of patches with a class token in front, (tokens, tokens) row-major.
 * Patches i, j use row (Δrow + side - 1)(2 side - 1) + (Δcol + side - 1) with Δ = i - j; the last three rows are for class to patch,
 * patch to class, and class to class.
 */
export function relativePositionIndex(side: number): Int32Array {
  const span = 2 * side - 1;
  const patches = span * span;
  const tokens = side * side + 1;
  const index = new Int32Array(tokens * tokens);
  for (let i = 0; i < tokens; i++) {
    for (let j = 0; j < tokens; j++) {
      index[i * tokens + j] = i === 0 ? (j === 0 ? patches + 2 : patches) : j === 0 ? patches + 1 : row(i - 1, j - 1);
    }
  }
  return index;

  function row(i: number, j: number): number {
    const down = Math.floor(i / side) - Math.floor(j / side) + side - 1;
    const right = (i % side) - (j % side) + side - 1;
    return down * span + right;
  }
}

/** Rows of that table. */
export function relativePositionRows(side: number): number {
  return (2 * side - 1) ** 2 + 3;
}
