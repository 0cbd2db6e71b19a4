import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** Layer norm over the last axis with biased variance: x (..., dim), weight and bias (dim). */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor {
  const { device, kernels } = x;
  const dim = weight.count;
  const rows = x.count / dim;
  expectShape("layerNorm: x", x.shape, [...x.shape.slice(0, -1), dim]);
  expectShape("layerNorm: bias", bias.shape, weight.shape);

  expectType("layerNorm: weight", weight, "f32");
  expectType("layerNorm: bias", bias, "f32");
  const y = device.empty(x.shape, "layerNorm", x.dtype);
  const mean = device.empty([rows], "layerNorm mean");
  const rstd = device.empty([rows], "layerNorm rstd");
  kernels.layerNorm(y.ptr, mean.ptr, rstd.ptr, x.ptr, weight.ptr, bias.ptr, rows, dim, eps);

  record(y, [x, weight, bias], (dy) => {
    const dWeight = addingGrad(weight);
    const dBias = addingGrad(bias);
    const into = (dx: number) => kernels.layerNormGrad(dx, dWeight, dBias, dy.ptr, x.ptr, weight.ptr, mean.ptr, rstd.ptr, rows, dim);
    if (x.requiresGrad) accumulate(x, into);
    else {
      const unwanted = device.empty(x.shape, "layerNorm unwanted gradient", x.dtype);
      into(unwanted.ptr);
      device.discard(unwanted);
    }
  });
  return y;
}
