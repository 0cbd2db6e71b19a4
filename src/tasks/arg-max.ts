/** Index of the first largest value of each row. */
export function argMaxRows(values: Float32Array, columns: number): number[] {
  return Array.from({ length: values.length / columns }, (_, row) => {
    let best = 0;
    for (let i = 1; i < columns; i++) if (values[row * columns + i] > values[row * columns + best]) best = i;
    return best;
  });
}
