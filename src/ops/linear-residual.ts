import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, passGrad, record, wantsGrad } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";
import type { ResidualOptions } from "./residual.js";

/** What {@link linearResidual} makes. */
export interface LinearResidual {
  /** (batch, ..., out) */
  y: Tensor;
  /** linear(x), of the shape of y; null where nobody needs it. No gradient flows back from it. */
  branch: Tensor | null;
}

/**
 * residual(r, linear(x)), the end of a block's branch: r (batch, ..., out), x (batch, ..., in), weight (out, in), bias (out) or null. The
 * branch itself is written only for a gradient that needs it, or where it is asked for (`keepBranch`).
 */
export function linearResidual(
  r: Tensor,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  { gamma, dropPath, purpose }: ResidualOptions,
  keepBranch: boolean,
): LinearResidual {
  const { device, kernels } = x;
  const { rng } = device;
  const [outDim, inDim] = weight.shape;
  const leading = x.shape.slice(0, -1);
  const samples = x.shape[0];
  const rowsPerSample = x.count / inDim / samples;
  const shape = [...leading, outDim];
  expectShape("linearResidual: x", x.shape, [...leading, inDim]);
  expectShape("linearResidual: r", r.shape, shape);
  if (bias !== null) expectShape("linearResidual: bias", bias.shape, [outDim]);
  if (gamma !== null) expectShape("linearResidual: gamma", gamma.shape, [outDim]);
  expectType("linearResidual: r", r, x.dtype);
  expectType("linearResidual: weight", weight, "f32");
  expectType("linearResidual: bias", bias, "f32");
  expectType("linearResidual: gamma", gamma, "f32");
  const gammaPtr = gamma?.ptr ?? 0;

  const inputs = [r, x, weight, bias, gamma];
  const y = device.empty(shape, "linearResidual", x.dtype);
  const branch = keepBranch || (gamma !== null && wantsGrad(device, inputs)) ? device.empty(shape, "linearResidual branch", x.dtype) : null;
  const sizes = [samples, rowsPerSample, inDim, outDim] as const;
  const pointers = [r.ptr, x.ptr, weight.ptr, bias?.ptr ?? 0, gammaPtr, rng.ptr] as const;
  kernels.linearResidual(y.ptr, branch?.ptr ?? 0, ...pointers, ...sizes, dropPath, purpose);

  record(y, inputs, (dy) => {
    let dBranch = dy;
    if (gamma !== null || dropPath > 0) {
      dBranch = device.empty(shape, "linearResidual gradient of the branch", x.dtype);
      const given = [dy.ptr, branch?.ptr ?? 0, gammaPtr, rng.ptr] as const;
      kernels.residualGrad(dBranch.ptr, addingGrad(gamma), ...given, samples, rowsPerSample, outDim, dropPath, purpose);
    }
    const rows = samples * rowsPerSample;
    if (weight.requiresGrad) kernels.linearGradWeight(addingGrad(weight), addingGrad(bias), dBranch.ptr, x.ptr, rows, inDim, outDim);
    accumulate(x, (dx) => kernels.linearGradInput(dx, dBranch.ptr, weight.ptr, rows, inDim, outDim));
    if (dBranch !== dy) device.discard(dBranch);
    passGrad(r, dy);
  });
  return { y, branch };
}
