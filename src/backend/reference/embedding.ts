import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y[r] = table[ids[r]] */
export function embedding(memory: Memory, y: Pointer, table: Pointer, ids: Pointer, rows: number, dim: number): void {
  const ys = memory.floats(y, rows * dim);
  const idList = memory.ints(ids, rows);
  const tables = memory.floats(table, rowsOf(idList) * dim);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < dim; c++) ys[r * dim + c] = tables[idList[r] * dim + c];
  }
}

/** dTable[ids[r]] += dy[r], except where ids[r] is paddingId. */
export function embeddingGrad(
  memory: Memory,
  dTable: Pointer,
  dy: Pointer,
  ids: Pointer,
  rows: number,
  dim: number,
  paddingId: number,
): void {
  const dys = memory.floats(dy, rows * dim);
  const idList = memory.ints(ids, rows);
  const dTables = memory.floats(dTable, rowsOf(idList) * dim);
  const sums = new Map<number, Float64Array>();
  for (let r = 0; r < rows; r++) {
    const id = idList[r];
    if (id === paddingId) continue;
    const sum = sums.get(id) ?? new Float64Array(dim);
    for (let c = 0; c < dim; c++) sum[c] += dys[r * dim + c];
    sums.set(id, sum);
  }
  for (const [id, sum] of sums) {
    for (let c = 0; c < dim; c++) dTables[id * dim + c] += sum[c];
  }
}

/** As many rows of the table as the ids reach. */
function rowsOf(ids: Int32Array): number {
  return ids.reduce((a, b) => Math.max(a, b), -1) + 1;
}
