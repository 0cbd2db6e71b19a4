import { expectShape } from "../tensor/shape.js";
import { accumulate, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Zeroes the elements of x where `mask`, i32 of the same shape, is not 0. */
export function maskElements(x: Tensor, mask: Tensor): Tensor {
  const { kernels } = x.device;
  expectShape("maskElements: mask", mask.shape, x.shape);
  const y = x.device.empty(x.shape, "maskElements");
  // An element is a row of one.
  kernels.maskRows(y.ptr, x.ptr, 0, mask.ptr, x.count, 1);
  record(y, [x], (dy) => accumulate(x, (dx) => kernels.maskRowsGrad(dx, 0, dy.ptr, mask.ptr, x.count, 1)));
  return y;
}
