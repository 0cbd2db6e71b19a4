import type { Data2VecEncoder } from "../data2vec/encoder.js";
import { averageLayer } from "../ops/average-layer.js";
import { meanPool } from "../ops/mean-pool.js";
import type { Tensor } from "../tensor/tensor.js";

/** Which of a frozen encoder's outputs stand for a sample. */
export interface FeatureOptions {
  /** A block's output, or what its feed-forward network adds. */
  tap: "block" | "ffn";
  /** Top layers that are averaged. */
  topLayers: number;
}

/** What k-NN and linear probe use unless told otherwise. */
export const DEFAULT_FEATURES: FeatureOptions = { tap: "block", topLayers: 2 };

/** One vector per sample (batch, dim): the mean over the positions of the average of the top layers. */
export function pooledFeatures<I>(encoder: Data2VecEncoder<I>, input: I, { tap, topLayers }: FeatureOptions): Tensor {
  const embedded = encoder.embed(input);
  const { device } = embedded.features;
  const [batch, positions, dim] = embedded.features.shape;
  const first = encoder.extraTokens;
  const average = device.empty([batch, first + positions, dim], "features");
  const lowest = encoder.depth - Math.min(topLayers, encoder.depth);
  encoder.encode(embedded, {
    mask: null,
    train: false,
    onLayer: (layer, outputs) => {
      if (layer < lowest) return;
      const output = tap === "ffn" ? outputs.ffn() : outputs.block;
      averageLayer(average, output, { normalization: "none", scale: 1 / (encoder.depth - lowest), first, accumulate: layer > lowest });
    },
  });
  // Lengths count positions, and the mean runs over tokens.
  if (embedded.lengths !== null && first > 0) throw new Error("features: padding behind extra tokens isn't supported");
  return meanPool(average, first, embedded.lengths);
}
