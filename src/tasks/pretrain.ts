import type { Data2VecPretraining, MaskedInput } from "../data2vec/pretraining.js";
import { type EmaSchedule, emaDecayAt } from "../data2vec/teacher.js";
import type { ParameterStore } from "../nn/parameter-store.js";
import { REGRESSION_STATS } from "../ops/regression.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Task } from "./task.js";

/** data2vec pretraining: the student learns, the teacher follows once per update. */
export class PretrainTask<I> implements Task<MaskedInput<I>> {
  readonly device: Device;
  readonly store: ParameterStore;
  readonly depth: number;
  readonly statsLength = 4;
  #emaDecay = 0;

  constructor(
    readonly method: Data2VecPretraining<I>,
    private readonly schedule: EmaSchedule,
  ) {
    this.device = method.device;
    this.store = method.store;
    this.depth = method.student.depth;
  }

  loss(input: MaskedInput<I>): Tensor {
    return this.method.loss(input);
  }

  metrics(stats: Float32Array, passes: number): Record<string, number> {
    return {
      loss: stats[REGRESSION_STATS.loss],
      targetDeviation: stats[REGRESSION_STATS.targetDeviation] / passes,
      predictionDeviation: stats[REGRESSION_STATS.predictionDeviation] / passes,
      emaDecay: this.#emaDecay,
    };
  }

  beforeUpdate(update: number): void {
    this.#emaDecay = emaDecayAt(this.schedule, update);
    this.device.setScalars({ emaDecay: this.#emaDecay });
  }

  trains(): boolean {
    return true;
  }

  afterUpdate(): void {
    this.method.ema.update();
  }
}
