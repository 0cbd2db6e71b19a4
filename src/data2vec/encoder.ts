import type { Module } from "../nn/module.js";
import type { LayerTap } from "../nn/transformer.js";
import type { Tensor } from "../tensor/tensor.js";

/** A batch as positions, before masking. */
export interface Embedded {
  /** (batch, positions, dim) */
  features: Tensor;
  /** Valid positions per sample, i32 (batch); the rest is padding. Null: all are valid. */
  lengths: Tensor | null;
}

/** How an encoder runs. */
export interface EncodeOptions {
  /** Which positions the student doesn't see, i32 (batch, positions), or null for the whole input. */
  mask: Tensor | null;
  /** True switches dropout, drop path and LayerDrop on. */
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
  /** Whether it has the first part; a teacher without one starts from what the student's makes. */
  readonly embeds: boolean;
  /** Beginnings of names of parameters that a teacher copies from the student instead of averaging them. */
  readonly copied: readonly string[];
  /** The input as positions; nothing in it is random. */
  embed(input: I): Embedded;
  /** The Transformer's output (batch, extraTokens + positions, dim). */
  encode(embedded: Embedded, options: EncodeOptions): Tensor;
}
