import { accumulate, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** x as it is; what flows back through it is multiplied by `scale`. */
export function scaleGradient(x: Tensor, scale: number): Tensor {
  if (scale === 1) return x;
  const y = x.reshape(x.shape);
  const dim = x.shape[x.shape.length - 1];
  // The average of one layer without normalisation is a multiple of it.
  record(y, [x], (dy) => accumulate(x, (dx) => x.device.kernels.averageLayer(dx, dy.ptr, 1, x.count / dim, dim, 0, 0, scale, 1, 0)));
  return y;
}
