import { expectShape } from "../tensor/shape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** How a layer's output is normalised before it is averaged into the target. */
export type Normalization = "none" | "layer" | "instance";

const CODES: Record<Normalization, number> = { none: 0, layer: 1, instance: 2 };

/** PyTorch's default, which the normalisations of targets use in every published configuration. */
const EPS = 1e-5;

/** What {@link averageLayer} does to a layer. */
export interface AverageLayerOptions {
  normalization: Normalization;
  /** Weight of this layer, 1 / K for an average of K layers. */
  scale: number;
  /** Leading tokens that are no targets (a class token). */
  first: number;
  /** False for the first layer, which overwrites. */
  accumulate: boolean;
}

/** target += scale · normalise(x), x and target (batch, tokens, dim), target f32; no gradient flows through targets. */
export function averageLayer(target: Tensor, x: Tensor, { normalization, scale, first, accumulate }: AverageLayerOptions): void {
  const [batch, tokens, dim] = x.shape;
  expectShape("averageLayer: target", target.shape, x.shape);
  expectType("averageLayer: target", target, "f32");
  x.kernels.averageLayer(target.ptr, x.ptr, batch, tokens, dim, first, CODES[normalization], scale, EPS, accumulate ? 1 : 0);
}
