import { accumulate, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** x as it is; what flows back through it is multiplied by `scale`. */
export function scaleGradient(x: Tensor, scale: number): Tensor {
  if (scale === 1) return x;
  const { device, kernels } = x;
  const y = x.reshape(x.shape);
  const dim = x.shape[x.shape.length - 1];
  record(y, [x], (dy) => {
    // A multiple as a residual sum: dy + (scale - 1) · dy.
    const rest = device.empty([dim], "scale - 1");
    device.kernels.fill(rest.ptr, dim, scale - 1);
    accumulate(x, (dx) => kernels.residual(dx, dy.ptr, dy.ptr, rest.ptr, device.rng.ptr, 1, x.count / dim, dim, 0, 0));
    device.discard(rest);
  });
  return y;
}
