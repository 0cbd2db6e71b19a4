import { ShapeError } from "../tensor/shape.js";
import { addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/**
 * Rows of `table` (count, dim) by `ids`, i32 (...), as activations (..., dim). Rows with `paddingId` give no gradient. The ids aren't checked
 * against the table: whoever reads them on the host does that.
 */
export function embedding(table: Tensor, ids: Tensor, paddingId: number | null = null): Tensor {
  if (table.shape.length !== 2) throw new ShapeError(`embedding: table: expected two axes (count, dim), got ${table.shape.length}`);
  expectType("embedding: table", table, "f32");
  expectType("embedding: ids", ids, "i32");
  const { device } = table;
  const dim = table.shape[1];
  const y = device.empty([...ids.shape, dim], "embedding", device.activation);
  const { kernels } = y;
  kernels.embedding(y.ptr, table.ptr, ids.ptr, ids.count, dim);
  record(y, [table], (dy) => kernels.embeddingGrad(addingGrad(table), dy.ptr, ids.ptr, ids.count, dim, paddingId ?? -1));
  return y;
}
