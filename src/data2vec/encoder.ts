import type { Module } from "../nn/module.js";
import type { LayerTap } from "../nn/transformer.js";
import type { Tensor } from "../tensor/tensor.js";

/** How an encoder runs. */
export interface EncodeOptions {
  /** Which positions the student doesn't see, i32 (batch, positions), or null for the whole input. */
  mask: Tensor | null;
  /** True switches dropout and drop path on. */
  train: boolean;
  /** Called with the input of the first block. */
  onEmbedding?: (embedding: Tensor) => void;
  onLayer?: LayerTap;
}

/**
 * What data2vec asks of a modality: an encoder in two parts, so that a teacher may start from the student's features. `I` is the input it
 * takes.
 */
export interface Data2VecEncoder<I> extends Module {
  readonly dim: number;
  readonly depth: number;
  /** Leading tokens that stand for no position of the input (a class token). */
  readonly extraTokens: number;
  /** The input as positions (batch, positions, dim), before masking. */
  embed(input: I): Tensor;
  /** The Transformer's output (batch, extraTokens + positions, dim). */
  encode(embedded: Tensor, options: EncodeOptions): Tensor;
}
