import { expectShape } from "../tensor/shape.js";
import { accumulate, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** How often {@link layerSkip} drops a layer. */
export interface LayerSkipOptions {
  /** Probability that a sample skips the layer (LayerDrop). */
  probability: number;
  purpose: number;
}

/**
 * A layer's output x, or for the samples that skip the layer its input r: both (batch, ...), chosen sample by sample without rescaling. The
 * layer is computed for all samples, so that the operations of a step are always the same.
 */
export function layerSkip(x: Tensor, r: Tensor, { probability, purpose }: LayerSkipOptions): Tensor {
  expectShape("layerSkip: x", x.shape, r.shape);
  expectType("layerSkip: r", r, x.dtype);
  if (probability === 0) return x;
  const { kernels } = x;
  const { rng } = x.device;
  const samples = x.shape[0];
  const perSample = x.count / samples;
  const y = x.device.empty(x.shape, "layerSkip", x.dtype);
  kernels.layerSkip(y.ptr, x.ptr, r.ptr, rng.ptr, samples, perSample, probability, purpose);
  record(y, [x, r], (dy) => {
    accumulate(x, (dx) => kernels.layerSkipGrad(dx, 0, dy.ptr, rng.ptr, samples, perSample, probability, purpose));
    accumulate(r, (dr) => kernels.layerSkipGrad(0, dr, dy.ptr, rng.ptr, samples, perSample, probability, purpose));
  });
  return y;
}
