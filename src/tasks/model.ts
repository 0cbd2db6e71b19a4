import type { Data2VecEncoder, EncodeOptions } from "../data2vec/encoder.js";
import type { Pooling } from "../modalities/modality.js";
import { LayerNorm } from "../nn/layer-norm.js";
import { Linear } from "../nn/linear.js";
import { Module } from "../nn/module.js";
import { ParameterStore } from "../nn/parameter-store.js";
import { gatherRows } from "../ops/gather-rows.js";
import { meanPool } from "../ops/mean-pool.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";

/** What stands on top of an encoder. */
export interface ModelOptions {
  pooling: Pooling;
  layerNormEps: number;
  /** Classes of the linear classifier, or null for none. */
  classes: number | null;
  trainable: boolean;
}

/** What a forward pass gives. */
export interface ModelOutputs {
  /** The encoder's output (batch, tokens, dim). */
  last: Tensor;
  /** One vector per sample (batch, dim), or null without pooling. */
  pooled: Tensor | null;
  /** (batch, classes), or null without a classifier. */
  logits: Tensor | null;
}

/** The recipe starts the classifier close to zero (BEiT's init_scale). */
const HEAD_INIT = { kind: "normal", std: 0.02 * 0.001, clip: 2 } as const;

class Pooler extends Module {
  readonly norm: LayerNorm;

  constructor(dim: number, eps: number) {
    super();
    this.norm = this.child("norm", new LayerNorm(dim, eps));
  }
}

/** An encoder with what reduces its output to one vector per sample and, if there are classes, a linear classifier (paper section 4.1). */
export class Model<I> implements Disposable {
  readonly store: ParameterStore;
  readonly #pooler: Pooler | null;
  readonly #classifier: Linear | null;

  constructor(
    readonly device: Device,
    readonly encoder: Data2VecEncoder<I>,
    readonly options: ModelOptions,
  ) {
    const { pooling, layerNormEps, classes, trainable } = options;
    this.#pooler = pooling === "mean" ? new Pooler(encoder.dim, layerNormEps) : null;
    this.#classifier = classes === null ? null : new Linear(encoder.dim, classes, HEAD_INIT);
    const modules: Record<string, Module> = { "": encoder };
    if (this.#pooler !== null) modules.pooler = this.#pooler;
    if (this.#classifier !== null) modules.classifier = this.#classifier;
    this.store = new ParameterStore(device, modules, { trainable, label: "model" });
  }

  forward(input: I, options: EncodeOptions): ModelOutputs {
    const { device, encoder } = this;
    const last = encoder.encode(encoder.embed(input), options);
    const pooled = device.within("pooler", () => this.#pool(last));
    if (this.#classifier === null) return { last, pooled, logits: null };
    if (pooled === null) throw new Error("model: a classifier needs pooling");
    return { last, pooled, logits: device.within("classifier", () => this.#classifier!.forward(pooled)) };
  }

  /** Frees the parameters; the model must not be used afterwards. */
  release(): void {
    this.store.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #pool(last: Tensor): Tensor | null {
    if (this.options.pooling === "none") return null;
    if (this.#pooler !== null) return this.#pooler.norm.forward(meanPool(last, this.encoder.extraTokens));
    const [batch, tokens] = last.shape;
    const first = Int32Array.from({ length: batch }, (_, sample) => sample * tokens);
    return gatherRows(last, last.device.fromIndices(first, [batch]));
  }
}
