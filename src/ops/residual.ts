import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, passGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** How {@link residual} scales and drops its branch. */
export interface ResidualOptions {
  /** Layer scale (dim), or null for none. */
  gamma: Tensor | null;
  /** Probability that a sample's branch is dropped (stochastic depth). */
  dropPath: number;
  purpose: number;
}

/** y = r + gamma · x, where whole samples of x may be dropped: r, x (batch, ..., dim). */
export function residual(r: Tensor, x: Tensor, { gamma, dropPath, purpose }: ResidualOptions): Tensor {
  const { kernels } = x;
  const { rng } = x.device;
  const samples = x.shape[0];
  const dim = x.shape[x.shape.length - 1];
  const rows = x.count / samples / dim;
  expectShape("residual: x", x.shape, r.shape);
  if (gamma !== null) expectShape("residual: gamma", gamma.shape, [dim]);
  expectType("residual: r", r, x.dtype);
  expectType("residual: gamma", gamma, "f32");
  const gammaPtr = gamma?.ptr ?? 0;

  const y = x.device.empty(x.shape, "residual", x.dtype);
  kernels.residual(y.ptr, r.ptr, x.ptr, gammaPtr, rng.ptr, samples, rows, dim, dropPath, purpose);

  record(y, [r, x, gamma], (dy) => {
    const dGamma = addingGrad(gamma);
    accumulate(x, (dx) => kernels.residualGrad(dx, dGamma, dy.ptr, x.ptr, gammaPtr, rng.ptr, samples, rows, dim, dropPath, purpose));
    passGrad(r, dy);
  });
  return y;
}
