import { expectShape } from "../tensor/shape.js";
import { accumulate, passGrad, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** y = a + b, same shapes. */
export function add(a: Tensor, b: Tensor): Tensor {
  const { kernels } = a.device;
  expectShape("add: b", b.shape, a.shape);
  const y = a.device.empty(a.shape, "add");
  kernels.add(y.ptr, a.ptr, b.ptr, a.count);
  record(y, [a, b], (dy) => {
    accumulate(a, (da) => kernels.copy(da, dy.ptr, dy.count));
    passGrad(b, dy);
  });
  return y;
}
