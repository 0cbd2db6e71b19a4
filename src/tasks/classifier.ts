import type { LabelledInput } from "../modalities/modality.js";
import { Linear } from "../nn/linear.js";
import { ParameterStore } from "../nn/parameter-store.js";
import { CROSS_ENTROPY_STATS, crossEntropy } from "../ops/cross-entropy.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import type { PooledEncoder } from "./pooled-encoder.js";
import type { Task } from "./task.js";

/** The recipe starts the last layer close to zero (BEiT's init_scale). */
const HEAD_SCALE = 0.001;
const HEAD_STD = 0.02;
const HEAD_CLIP = 2;

/** A pooled encoder with a linear classifier on top (paper section 4.1; BEiT's fine-tuning). */
export class Classifier<I> implements Task<LabelledInput<I>> {
  readonly store: ParameterStore;
  readonly statsLength = 2;
  readonly #head: Linear;

  constructor(
    readonly device: Device,
    readonly body: PooledEncoder<I>,
    readonly classes: number,
    { trainable }: { trainable: boolean },
  ) {
    this.#head = new Linear(body.encoder.dim, classes, { kind: "normal", std: HEAD_STD * HEAD_SCALE, clip: HEAD_CLIP });
    this.store = new ParameterStore(device, { ...body.modules, classifier: this.#head }, { trainable, label: "classifier" });
  }

  get depth(): number {
    return this.body.encoder.depth;
  }

  /** Logits (batch, classes). */
  logits(input: I, train: boolean): Tensor {
    const { pooled } = this.body.forward(input, { mask: null, train });
    if (pooled === null) throw new Error("classifier: its encoder has no pooling");
    return this.classify(pooled);
  }

  /** Logits (batch, classes) of pooled outputs (batch, dim). */
  classify(pooled: Tensor): Tensor {
    return this.device.within("classifier", () => this.#head.forward(pooled));
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
