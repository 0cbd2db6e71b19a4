import { expectShape, ShapeError } from "../tensor/shape.js";
import { accumulate, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Zeroes the channels of x (batch, tokens, dim) where `mask`, i32 (batch, dim), is not 0. */
export function maskChannels(x: Tensor, mask: Tensor): Tensor {
  if (x.shape.length !== 3) throw new ShapeError(`maskChannels: x: expected three axes (batch, tokens, dim), got ${x.shape.length}`);
  const { kernels } = x;
  const [batch, tokens, dim] = x.shape;
  expectShape("maskChannels: mask", mask.shape, [batch, dim]);
  expectType("maskChannels: mask", mask, "i32");
  const y = x.device.empty(x.shape, "maskChannels", x.dtype);
  kernels.maskChannels(y.ptr, x.ptr, mask.ptr, batch, tokens, dim);
  record(y, [x], (dy) => accumulate(x, (dx) => kernels.maskChannels(dx, dy.ptr, mask.ptr, batch, tokens, dim)));
  return y;
}
