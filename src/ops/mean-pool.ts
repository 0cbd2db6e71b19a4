import { accumulate, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Mean over the tokens `first` ... of x (batch, tokens, dim), up to each sample's length when `lengths`, i32 (batch), are given. */
export function meanPool(x: Tensor, first: number, lengths: Tensor | null = null): Tensor {
  const { kernels } = x;
  const [batch, tokens, dim] = x.shape;
  expectType("meanPool: lengths", lengths, "i32");
  const lengthsPtr = lengths?.ptr ?? 0;
  const y = x.device.empty([batch, dim], "meanPool", x.dtype);
  kernels.meanPool(y.ptr, x.ptr, lengthsPtr, batch, tokens, dim, first);
  record(y, [x], (dy) => accumulate(x, (dx) => kernels.meanPoolGrad(dx, dy.ptr, lengthsPtr, batch, tokens, dim, first)));
  return y;
}
