import { accumulate, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** tanh x, elementwise. */
export function tanhActivation(x: Tensor): Tensor {
  const { kernels } = x;
  const y = x.device.empty(x.shape, "tanhActivation", x.dtype);
  kernels.tanhActivation(y.ptr, x.ptr, x.count);
  record(y, [x], (dy) => accumulate(x, (dx) => kernels.tanhActivationGrad(dx, dy.ptr, y.ptr, x.count)));
  return y;
}
