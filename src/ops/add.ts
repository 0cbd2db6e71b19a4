import { expectShape } from "../tensor/shape.js";
import { accumulate, passGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** y = a + b, same shapes and types. */
export function add(a: Tensor, b: Tensor): Tensor {
  const { kernels } = a;
  expectShape("add: b", b.shape, a.shape);
  expectType("add: b", b, a.dtype);
  const y = a.device.empty(a.shape, "add", a.dtype);
  kernels.add(y.ptr, a.ptr, b.ptr, a.count);
  record(y, [a, b], (dy) => {
    accumulate(a, (da) => kernels.copy(da, dy.ptr, dy.count));
    passGrad(b, dy);
  });
  return y;
}
