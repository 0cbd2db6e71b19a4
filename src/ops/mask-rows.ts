import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Replaces the rows of x (..., dim) where `mask`, i32 (...), is not 0 by `token` (1, dim). */
export function maskRows(x: Tensor, token: Tensor, mask: Tensor): Tensor {
  const { kernels } = x.device;
  const dim = token.count;
  const rows = x.count / dim;
  expectShape("maskRows: mask", mask.shape, x.shape.slice(0, -1));
  const y = x.device.empty(x.shape, "maskRows");
  kernels.maskRows(y.ptr, x.ptr, token.ptr, mask.ptr, rows, dim);
  record(y, [x, token], (dy) => {
    const dToken = addingGrad(token);
    accumulate(x, (dx) => kernels.maskRowsGrad(dx, dToken, dy.ptr, mask.ptr, rows, dim));
  });
  return y;
}
