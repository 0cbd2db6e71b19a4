import type { LabelledInput } from "../modalities/modality.js";
import type { ParameterStore } from "../nn/parameter-store.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Model, taskOutputs } from "./model.js";
import type { Task } from "./task.js";
import type { TaskKind } from "./task-kind.js";

/** Fine-tuning: a model with a head learns a task from labelled data. */
export class SupervisedTask<I> implements Task<LabelledInput<I>> {
  readonly device: Device;
  readonly store: ParameterStore;
  readonly depth: number;
  readonly statsLength: number;
  #frozen = false;

  /** @param freezeSteps updates at the start in which only the head learns */
  constructor(
    readonly model: Model<I>,
    readonly kind: TaskKind,
    private readonly freezeSteps = 0,
  ) {
    this.device = model.device;
    this.store = model.store;
    this.depth = model.encoder.depth;
    this.statsLength = kind.statsLength;
  }

  loss(batch: LabelledInput<I>): Tensor {
    const options = { mask: batch.mask, train: true, frozenEncoder: this.#frozen };
    const { outputs, lengths } = taskOutputs(this.model, batch.input, options);
    return this.kind.loss(outputs, lengths, batch);
  }

  metrics(stats: Float32Array, _passes: number, samples: number): Record<string, number> {
    return this.kind.trainingMetrics(stats, samples);
  }

  beforeUpdate(update: number): void {
    this.#frozen = update <= this.freezeSteps;
  }

  afterUpdate(): void {}

  /** Whether a part of the model, by the beginning of its parameters' names, learns in the update to come. */
  trains(part: string): boolean {
    return part !== "" || !this.#frozen;
  }
}
