import type { Data2VecEncoder, EncodeOptions } from "../data2vec/encoder.js";
import type { Pooling } from "../modalities/modality.js";
import { LayerNorm } from "../nn/layer-norm.js";
import { Module } from "../nn/module.js";
import { gatherRows } from "../ops/gather-rows.js";
import { meanPool } from "../ops/mean-pool.js";
import type { Tensor } from "../tensor/tensor.js";

/** What {@link PooledEncoder.forward} returns. */
export interface PooledOutputs {
  /** The encoder's output (batch, tokens, dim). */
  last: Tensor;
  /** One vector per sample (batch, dim), or null without pooling. */
  pooled: Tensor | null;
}

class Pooler extends Module {
  readonly norm: LayerNorm;

  constructor(dim: number, eps: number) {
    super();
    this.norm = this.child("norm", new LayerNorm(dim, eps));
  }
}

/** An encoder and what reduces its output to one vector per sample. */
export class PooledEncoder<I> {
  /** The parts that hold parameters, by the prefix of their names. */
  readonly modules: Record<string, Module>;
  readonly #pooler: Pooler | null;

  constructor(
    readonly encoder: Data2VecEncoder<I>,
    readonly pooling: Pooling,
    layerNormEps: number,
  ) {
    this.#pooler = pooling === "mean" ? new Pooler(encoder.dim, layerNormEps) : null;
    this.modules = this.#pooler === null ? { "": encoder } : { "": encoder, pooler: this.#pooler };
  }

  forward(input: I, options: EncodeOptions): PooledOutputs {
    const last = this.encoder.encode(this.encoder.embed(input), options);
    return { last, pooled: last.device.within("pooler", () => this.#pool(last)) };
  }

  #pool(last: Tensor): Tensor | null {
    if (this.pooling === "none") return null;
    if (this.#pooler !== null) return this.#pooler.norm.forward(meanPool(last, this.encoder.extraTokens));
    const [batch, tokens] = last.shape;
    const first = Int32Array.from({ length: batch }, (_, sample) => sample * tokens);
    return gatherRows(last, last.device.fromIndices(first, [batch]));
  }
}
