import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** bias[h, p] = table[index[p], h] */
export function relativeBias(memory: Memory, bias: Pointer, table: Pointer, index: Pointer, heads: number, positions: number): void {
  const biases = memory.floats(bias, heads * positions);
  const indices = memory.ints(index, positions);
  const tables = memory.floats(table, (maximum(indices) + 1) * heads);
  for (let h = 0; h < heads; h++) {
    for (let p = 0; p < positions; p++) biases[h * positions + p] = tables[indices[p] * heads + h];
  }
}

/** dTable[index[p], h] += dBias[h, p] */
export function relativeBiasGrad(
  memory: Memory,
  dTable: Pointer,
  dBias: Pointer,
  index: Pointer,
  heads: number,
  positions: number,
  tableRows: number,
): void {
  const dTables = memory.floats(dTable, tableRows * heads);
  const dBiases = memory.floats(dBias, heads * positions);
  const indices = memory.ints(index, positions);
  const sums = new Float64Array(tableRows * heads);
  for (let h = 0; h < heads; h++) {
    for (let p = 0; p < positions; p++) sums[indices[p] * heads + h] += dBiases[h * positions + p];
  }
  for (let e = 0; e < sums.length; e++) dTables[e] += sums[e];
}

function maximum(values: Int32Array): number {
  return values.reduce((a, b) => Math.max(a, b), -1);
}
