import { expectShape } from "../tensor/shape.js";
import { addingGrad, passGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Adds learned absolute positions (tokens, dim) to x (batch, tokens, dim). */
export function addPosition(x: Tensor, position: Tensor): Tensor {
  const { kernels } = x;
  const [batch, tokens, dim] = x.shape;
  expectShape("addPosition: position", position.shape, [tokens, dim]);
  expectType("addPosition: position", position, "f32");
  const y = x.device.empty(x.shape, "addPosition", x.dtype);
  kernels.addPosition(y.ptr, x.ptr, position.ptr, batch, tokens, dim);
  record(y, [x, position], (dy) => {
    if (position.requiresGrad) kernels.addPositionGrad(addingGrad(position), dy.ptr, batch, tokens, dim);
    passGrad(x, dy);
  });
  return y;
}
