import { addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Spreads a table of relative-position biases (rows, heads) by `index`, i32 (tokens, tokens), to (heads, tokens, tokens), f32. */
export function relativeBias(table: Tensor, index: Tensor): Tensor {
  const { kernels } = table.device;
  const [rows, heads] = table.shape;
  expectType("relativeBias: table", table, "f32");
  expectType("relativeBias: index", index, "i32");
  const bias = table.device.empty([heads, ...index.shape], "relativeBias");
  kernels.relativeBias(bias.ptr, table.ptr, index.ptr, heads, index.count);
  record(bias, [table], (dBias) => kernels.relativeBiasGrad(addingGrad(table), dBias.ptr, index.ptr, heads, index.count, rows));
  return bias;
}
