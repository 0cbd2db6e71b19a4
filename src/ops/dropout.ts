import { accumulate, record } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Zeroes elements of x (batch, ...) with `probability` and scales the others up; `purpose` tells random sites apart. */
export function dropout(x: Tensor, probability: number, purpose: number): Tensor {
  if (probability === 0) return x;
  const { kernels } = x;
  const { rng } = x.device;
  const samples = x.shape[0];
  const perSample = x.count / samples;
  const y = x.device.empty(x.shape, "dropout", x.dtype);
  kernels.dropout(y.ptr, x.ptr, rng.ptr, samples, perSample, probability, purpose);
  record(y, [x], (dy) => accumulate(x, (dx) => kernels.dropout(dx, dy.ptr, rng.ptr, samples, perSample, probability, purpose)));
  return y;
}
