import { accumulate, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** The exact GELU, x · Φ(x), elementwise. */
export function gelu(x: Tensor): Tensor {
  const { kernels } = x;
  const y = x.device.empty(x.shape, "gelu", x.dtype);
  kernels.gelu(y.ptr, x.ptr, x.count);
  record(y, [x], (dy) => accumulate(x, (dx) => kernels.geluGrad(dx, dy.ptr, x.ptr, x.count)));
  return y;
}
