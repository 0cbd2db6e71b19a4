import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record, wantsGrad } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/**
 * gelu(linear(x)) over the last axis, the first half of a feed-forward network: x (..., in), weight (out, in), bias (out) or null, y (..., out).
 * What lies between the two is kept only where a gradient will be wanted.
 */
export function linearGelu(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const { device, kernels } = x;
  const [outDim, inDim] = weight.shape;
  const leading = x.shape.slice(0, -1);
  const rows = x.count / inDim;
  expectShape("linearGelu: x", x.shape, [...leading, inDim]);
  if (bias !== null) expectShape("linearGelu: bias", bias.shape, [outDim]);

  expectType("linearGelu: weight", weight, "f32");
  expectType("linearGelu: bias", bias, "f32");
  const shape = [...leading, outDim];
  const inputs = [x, weight, bias];
  const y = device.empty(shape, "linearGelu", x.dtype);
  const pre = wantsGrad(device, inputs) ? device.empty(shape, "linearGelu before gelu", x.dtype) : null;
  kernels.linearGelu(y.ptr, pre?.ptr ?? 0, x.ptr, weight.ptr, bias?.ptr ?? 0, rows, inDim, outDim);

  if (pre === null) return y;
  record(y, inputs, (dy) => {
    const dPre = device.empty(shape, "linearGelu gradient before gelu", x.dtype);
    kernels.geluGrad(dPre.ptr, dy.ptr, pre.ptr, pre.count);
    if (weight.requiresGrad) kernels.linearGradWeight(addingGrad(weight), addingGrad(bias), dPre.ptr, x.ptr, rows, inDim, outDim);
    accumulate(x, (dx) => kernels.linearGradInput(dx, dPre.ptr, weight.ptr, rows, inDim, outDim));
    device.discard(dPre);
  });
  return y;
}
