import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * gelu(layerNorm(x)) over the last axis: x (..., dim), weight and bias (dim). What lies between the two is never stored, so that the
 * long activations of a feature extractor are read and written once.
 */
export function layerNormGelu(x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor {
  const { device } = x;
  const { kernels } = device;
  const dim = weight.count;
  const rows = x.count / dim;
  expectShape("layerNormGelu: x", x.shape, [...x.shape.slice(0, -1), dim]);
  expectShape("layerNormGelu: bias", bias.shape, weight.shape);

  const y = device.empty(x.shape, "layerNormGelu");
  const mean = device.empty([rows], "layerNormGelu mean");
  const rstd = device.empty([rows], "layerNormGelu rstd");
  kernels.layerNormGelu(y.ptr, mean.ptr, rstd.ptr, x.ptr, weight.ptr, bias.ptr, rows, dim, eps);

  record(y, [x, weight, bias], (dy) => {
    const dWeight = addingGrad(weight);
    const dBias = addingGrad(bias);
    const into = (dx: number) =>
      kernels.layerNormGeluGrad(dx, dWeight, dBias, dy.ptr, x.ptr, weight.ptr, bias.ptr, mean.ptr, rstd.ptr, rows, dim);
    if (x.requiresGrad) accumulate(x, into);
    else into(device.empty(x.shape, "layerNormGelu discarded gradient").ptr);
  });
  return y;
}
