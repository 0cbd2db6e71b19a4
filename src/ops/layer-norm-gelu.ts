import { expectShape, ShapeError } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/**
 * gelu(layerNorm(x)) over the last axis: x (..., dim), weight and bias (dim), or both null for a norm without them. What lies between the
 * two is never stored, so that the long activations of a feature extractor are read and written once.
 */
export function layerNormGelu(x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number): Tensor {
  const { device, kernels } = x;
  const dim = x.shape[x.shape.length - 1];
  const rows = x.count / dim;
  if ((weight === null) !== (bias === null)) throw new ShapeError("layerNormGelu: bias: expected together with weight, or neither");
  if (weight !== null) expectShape("layerNormGelu: weight", weight.shape, [dim]);
  if (bias !== null) expectShape("layerNormGelu: bias", bias.shape, [dim]);
  const weightPtr = weight?.ptr ?? 0;
  const biasPtr = bias?.ptr ?? 0;

  expectType("layerNormGelu: weight", weight, "f32");
  expectType("layerNormGelu: bias", bias, "f32");
  const y = device.empty(x.shape, "layerNormGelu", x.dtype);
  const mean = device.empty([rows], "layerNormGelu mean");
  const rstd = device.empty([rows], "layerNormGelu rstd");
  kernels.layerNormGelu(y.ptr, mean.ptr, rstd.ptr, x.ptr, weightPtr, biasPtr, rows, dim, eps);

  record(y, [x, weight, bias], (dy) => {
    const dWeight = addingGrad(weight);
    const dBias = addingGrad(bias);
    const into = (dx: number) =>
      kernels.layerNormGeluGrad(dx, dWeight, dBias, dy.ptr, x.ptr, weightPtr, biasPtr, mean.ptr, rstd.ptr, rows, dim);
    if (x.requiresGrad) accumulate(x, into);
    else {
      const unwanted = device.empty(x.shape, "layerNormGelu unwanted gradient", x.dtype);
      into(unwanted.ptr);
      device.discard(unwanted);
    }
  });
  return y;
}
