import { accumulate, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Rows `index`, i32 (count), of x (..., dim) as (count, dim); a negative index gives a row of zeros. */
export function gatherRows(x: Tensor, index: Tensor): Tensor {
  const { kernels } = x;
  const dim = x.shape[x.shape.length - 1];
  expectType("gatherRows: index", index, "i32");
  const y = x.device.empty([index.count, dim], "gatherRows", x.dtype);
  kernels.gatherRows(y.ptr, x.ptr, index.ptr, index.count, dim);
  record(y, [x], (dy) => accumulate(x, (dx) => kernels.gatherRowsGrad(dx, dy.ptr, index.ptr, index.count, x.count / dim, dim)));
  return y;
}
