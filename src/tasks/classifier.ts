import type { Data2VecEncoder } from "../data2vec/encoder.js";
import { LayerNorm } from "../nn/layer-norm.js";
import { Linear } from "../nn/linear.js";
import { Module } from "../nn/module.js";
import { ParameterStore } from "../nn/parameter-store.js";
import { CROSS_ENTROPY_STATS, crossEntropy } from "../ops/cross-entropy.js";
import { meanPool } from "../ops/mean-pool.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Task } from "./task.js";

/** Shape of a classifier. */
export interface ClassifierConfig {
  classes: number;
  layerNormEps: number;
  /** Standard deviation of the initial weights of the last layer, times {@link HEAD_SCALE}. */
  initStd: number;
}

/** The recipe starts the last layer close to zero (specification section 4.1). */
const HEAD_SCALE = 0.001;

/** A micro-batch with soft targets (batch, classes). */
export interface LabelledInput<I> {
  input: I;
  targets: Tensor;
}

class Pooler extends Module {
  readonly norm: LayerNorm;

  constructor(dim: number, eps: number) {
    super();
    this.norm = this.child("norm", new LayerNorm(dim, eps));
  }
}

/** An encoder with a classifier on the mean of its positions: mean, layer norm, linear (paper section 4.1; BEiT's fine-tuning). */
export class Classifier<I> implements Task<LabelledInput<I>> {
  readonly store: ParameterStore;
  readonly statsLength = 2;
  readonly #pooler: Pooler;
  readonly #head: Linear;

  constructor(
    readonly device: Device,
    readonly encoder: Data2VecEncoder<I>,
    readonly config: ClassifierConfig,
    { trainable = true }: { trainable?: boolean } = {},
  ) {
    const { classes, layerNormEps, initStd } = config;
    this.#pooler = new Pooler(encoder.dim, layerNormEps);
    this.#head = new Linear(encoder.dim, classes, { kind: "normal", std: initStd * HEAD_SCALE, clip: 2 });
    const modules = { "": encoder, pooler: this.#pooler, classifier: this.#head };
    this.store = new ParameterStore(device, modules, { trainable, label: "classifier" });
  }

  get depth(): number {
    return this.encoder.depth;
  }

  /** Logits (batch, classes). */
  logits(input: I, train: boolean): Tensor {
    const { device, encoder } = this;
    const encoded = encoder.encode(encoder.embed(input), { mask: null, train });
    return device.within("classifier", () => this.#head.forward(this.pool(encoded)));
  }

  /** The normalised mean of the positions (batch, dim) of an encoder's output. */
  pool(encoded: Tensor): Tensor {
    return this.#pooler.norm.forward(meanPool(encoded, this.encoder.extraTokens));
  }

  loss({ input, targets }: LabelledInput<I>): Tensor {
    return crossEntropy(this.logits(input, true), targets);
  }

  metrics(stats: Float32Array, _passes: number, samples: number): Record<string, number> {
    return { loss: stats[CROSS_ENTROPY_STATS.loss], accuracy: stats[CROSS_ENTROPY_STATS.correct] / samples };
  }

  beforeUpdate(): void {}

  afterUpdate(): void {}
}
