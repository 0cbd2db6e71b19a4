import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** y = x · weightᵀ + bias over the last axis of x: x (..., in), weight (out, in), bias (out) or null, y (..., out). */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const { kernels } = x;
  const [outDim, inDim] = weight.shape;
  const leading = x.shape.slice(0, -1);
  const rows = x.count / inDim;
  expectShape("linear: x", x.shape, [...leading, inDim]);
  if (bias !== null) expectShape("linear: bias", bias.shape, [outDim]);

  expectType("linear: weight", weight, "f32");
  expectType("linear: bias", bias, "f32");
  const y = x.device.empty([...leading, outDim], "linear", x.dtype);
  kernels.linear(y.ptr, x.ptr, weight.ptr, bias?.ptr ?? 0, rows, inDim, outDim);

  record(y, [x, weight, bias], (dy) => {
    if (weight.requiresGrad) kernels.linearGradWeight(addingGrad(weight), addingGrad(bias), dy.ptr, x.ptr, rows, inDim, outDim);
    accumulate(x, (dx) => kernels.linearGradInput(dx, dy.ptr, weight.ptr, rows, inDim, outDim));
  });
  return y;
}
