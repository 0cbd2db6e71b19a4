import type { LabelledInput } from "../modalities/modality.js";
import type { ParameterStore } from "../nn/parameter-store.js";
import { CROSS_ENTROPY_STATS, crossEntropy } from "../ops/cross-entropy.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Model } from "./model.js";
import type { Task } from "./task.js";

/** Classification: cross-entropy of a model's logits with soft targets. */
export class ClassificationTask<I> implements Task<LabelledInput<I>> {
  readonly device: Device;
  readonly store: ParameterStore;
  readonly depth: number;
  readonly statsLength = 2;

  constructor(private readonly model: Model<I>) {
    this.device = model.device;
    this.store = model.store;
    this.depth = model.encoder.depth;
  }

  loss({ input, targets }: LabelledInput<I>): Tensor {
    return crossEntropy(classLogits(this.model, input, true), targets);
  }

  metrics(stats: Float32Array, _passes: number, samples: number): Record<string, number> {
    return { loss: stats[CROSS_ENTROPY_STATS.loss], accuracy: stats[CROSS_ENTROPY_STATS.correct] / samples };
  }

  beforeUpdate(): void {}

  afterUpdate(): void {}
}

/** Logits (batch, classes) of a model that has a classifier; throws when it has none. */
export function classLogits<I>(model: Model<I>, input: I, train: boolean): Tensor {
  const { logits } = model.forward(input, { mask: null, train });
  if (logits === null) throw new Error("this model has no classifier\nfine-tune it first: data2vec finetune");
  return logits;
}
