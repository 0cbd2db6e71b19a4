import { setImmediate } from "node:timers/promises";
import type { TrainConfig } from "../config/train.js";
import type { PreparedBatch } from "../modalities/prepared-batch.js";
import type { Task } from "../tasks/task.js";
import { backward } from "../tensor/tape.js";
import { diagnose } from "./diagnose.js";
import { TrainingError } from "./errors.js";
import type { AdamW } from "./optimizer.js";
import { learningRateAt } from "./schedule.js";

/** What a step reports. */
export interface StepReport {
  /** Steps done, from 1. */
  step: number;
  /** Steps of the whole run. */
  steps: number;
  learningRate: number;
  /** Norm of all gradients before clipping. */
  gradientNorm: number;
  samplesPerSecond: number;
  secondsLeft: number;
  /** The task's values: loss, deviations, accuracy, ... */
  metrics: Record<string, number>;
}

/** What the loop needs beside the task. */
export interface TrainLoop<I> {
  task: Task<I>;
  optimizer: AdamW;
  /** Micro-batches from the given one on, without end. */
  batches: (from: number) => AsyncIterable<PreparedBatch<I>>;
  config: TrainConfig;
  /** Steps done before: 0, or where a checkpoint left off. */
  startStep: number;
  /** Ends the loop after the step it is in; a step of several passes is left undone. */
  signal?: AbortSignal;
}

/** Steps over which the speed is averaged. */
const SPEED_WINDOW = 20;

/**
 * The loop of pretraining and fine-tuning alike: one report for each optimizer step. A step is a pure function of the state and its number,
 * so that a run that was stopped and continued gives the same bits as one that wasn't.
 */
export async function* train<I>({ task, optimizer, batches, config, startStep, signal }: TrainLoop<I>): AsyncGenerator<StepReport> {
  const { device, store } = task;
  const { accumulate, steps, seed } = config;
  const stats = device.state([task.statsLength], "stats");
  device.tape.checkpointing = config.activationCheckpointing;
  // Whether all of the model learns decides what is computed, so that it is an argument of both.
  const pass = device.capture((input: I, _whole: boolean) => {
    const passStats = task.loss(input);
    backward(passStats);
    device.kernels.add(stats.ptr, stats.ptr, passStats.ptr, stats.count);
  });
  const update = device.capture((_whole: boolean) => {
    optimizer.step((part) => task.trains(part));
    task.afterUpdate();
  });

  const times: { seconds: number; samples: number }[] = [];
  const source = batches(startStep * accumulate)[Symbol.asyncIterator]();
  try {
    for (let step = startStep; step < steps && !signal?.aborted; step++) {
      const started = performance.now();
      const micro: PreparedBatch<I>[] = [];
      while (micro.length < accumulate) {
        const { value, done } = await source.next();
        if (done) throw new TrainingError(`step ${step + 1}: the data ended`);
        micro.push(value);
      }
      const samples = micro.reduce((sum, batch) => sum + batch.size, 0);
      const learningRate = learningRateAt(config, step);
      device.setScalars({ normalizer: micro.reduce((sum, batch) => sum + batch.weight, 0) });
      optimizer.prepare(step + 1, learningRate);
      task.beforeUpdate(step + 1);
      store.zeroGrad();
      device.kernels.fill(stats.ptr, stats.count, 0);
      const prepare = (index: number) => {
        const before = micro.slice(0, index).reduce((sum, batch) => sum + batch.size, 0);
        device.setRandom(seed, step, before);
      };
      const whole = task.trains("");
      for (const [index, batch] of micro.entries()) {
        prepare(index);
        device.scoped(() => pass(batch.upload(device), whole));
        if (index + 1 === accumulate) break;
        // A step of many passes may take minutes, in which nobody could ask for its end.
        await setImmediate();
        if (signal?.aborted) return;
      }
      update(whole);

      const metrics = task.metrics(await stats.read(), accumulate, samples);
      const gradientNorm = Math.sqrt((await optimizer.squaredNorm.read())[0]);
      if (!Number.isFinite(metrics.loss)) throw await diagnose(task, bad("loss", metrics.loss));
      if (!Number.isFinite(gradientNorm)) throw await diagnose(task, bad("norm of the gradient", gradientNorm));
      guardCollapse(config, step + 1, metrics);

      times.push({ seconds: (performance.now() - started) / 1000, samples });
      if (times.length > SPEED_WINDOW) times.shift();
      const seconds = times.reduce((sum, time) => sum + time.seconds, 0);
      yield {
        step: step + 1,
        steps,
        learningRate,
        gradientNorm,
        samplesPerSecond: times.reduce((sum, time) => sum + time.samples, 0) / seconds,
        secondsLeft: (seconds / times.length) * (steps - step - 1),
        metrics,
      };

      function bad(what: string, value: number) {
        return { step: step + 1, what, value, batches: micro, prepare };
      }
    }
  } finally {
    await source.return?.();
    device.tape.checkpointing = false;
    device.release(stats);
  }
}

/** Stops a run whose targets or predictions have collapsed to a constant (paper section 6). */
function guardCollapse(config: TrainConfig, step: number, metrics: Record<string, number>): void {
  if (step <= config.guardAfter) return;
  const { minTargetDeviation, minPredictionDeviation } = config;
  const check = (what: string, deviation: number | undefined, minimum: number, key: string) => {
    if (deviation === undefined || deviation >= minimum) return;
    throw new TrainingError(
      `step ${step}: collapse: the ${what} deviation is ${deviation.toPrecision(3)}, below ${key} ${minimum}\n` +
        "lower train.learningRate or lengthen train.warmupSteps; then raise model.emaDecay; then mask less",
    );
  };
  check("target", metrics.targetDeviation, minTargetDeviation, "train.minTargetDeviation");
  check("prediction", metrics.predictionDeviation, minPredictionDeviation, "train.minPredictionDeviation");
}
