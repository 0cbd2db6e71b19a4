import { expectShape } from "../tensor/shape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";
import { residual } from "./residual.js";

/** Slopes for `attention`, which takes those below 0 as 0: a learned scale of each head (heads), f32, times {@link alibiFactors}; (1, heads). */
export function alibiSlopes(scale: Tensor): Tensor {
  const { device } = scale;
  const heads = scale.count;
  expectShape("alibiSlopes: scale", scale.shape, [heads]);
  expectType("alibiSlopes: scale", scale, "f32");
  const zeros = device.empty([1, heads], "zeros");
  const factors = device.empty([1, heads], "ALiBi factors");
  const { fill } = scale.kernels;
  fill(zeros.ptr, heads, 0);
  // One by one: a step that takes data from the host can't be recorded.
  for (const [h, factor] of alibiFactors(heads).entries()) fill(factors.ptr + 4 * h, 1, factor);
  // The kernel computes the gradients of both factors of its product, or none.
  factors.requiresGrad = scale.requiresGrad;
  return residual(zeros, factors, { gamma: scale, dropPath: 0, purpose: 0 });
}

/**
 * The slopes of Press et al. 2022, by head: powers of 2^(-8/n) for n heads, a power of two. Other numbers of heads take those of the power
 * below, and then every other one of the power above, from the first on.
 */
export function alibiFactors(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads));
  return Array.from({ length: heads }, (_, h) => 2 ** (h < power ? (-8 * (h + 1)) / power : (-4 * (2 * (h - power) + 1)) / power));
}
