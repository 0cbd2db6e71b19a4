import type { Pointer } from "../backend/kernels.js";
import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Replaces the rows of x (..., dim) where `mask`, i32 (...), is not 0 by `token` (dim elements), or by zeros without a token. */
export function maskRows(x: Tensor, token: Tensor | null, mask: Tensor): Tensor {
  const { kernels } = x;
  const dim = x.shape[x.shape.length - 1];
  const rows = x.count / dim;
  if (token !== null) expectShape("maskRows: token", [token.count], [dim]);
  expectShape("maskRows: mask", mask.shape, x.shape.slice(0, -1));
  expectType("maskRows: token", token, "f32");
  expectType("maskRows: mask", mask, "i32");
  const y = x.device.empty(x.shape, "maskRows", x.dtype);
  kernels.maskRows(y.ptr, x.ptr, token?.ptr ?? 0, mask.ptr, rows, dim);
  record(y, [x, token], (dy) => {
    const dToken = addingGrad(token);
    const grad = (dx: Pointer) => kernels.maskRowsGrad(dx, dToken, dy.ptr, mask.ptr, rows, dim);
    if (x.requiresGrad) accumulate(x, grad);
    else grad(0);
  });
  return y;
}
