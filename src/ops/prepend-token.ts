import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Puts a learned token (1, dim) in front of every sample of x (batch, tokens, dim). */
export function prependToken(x: Tensor, token: Tensor): Tensor {
  const { kernels } = x;
  const [batch, tokens, dim] = x.shape;
  expectShape("prependToken: token", token.shape, [1, dim]);
  expectType("prependToken: token", token, "f32");
  const y = x.device.empty([batch, tokens + 1, dim], "prependToken", x.dtype);
  kernels.prependToken(y.ptr, x.ptr, token.ptr, batch, tokens, dim);
  record(y, [x, token], (dy) => {
    const dToken = addingGrad(token);
    accumulate(x, (dx) => kernels.prependTokenGrad(dx, dToken, dy.ptr, batch, tokens, dim));
  });
  return y;
}
