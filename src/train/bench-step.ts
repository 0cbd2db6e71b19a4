import type { Profiler } from "../backend/profile.js";
import { emaScheduleOf, targetConfigOf } from "../data2vec/config.js";
import { Data2VecPretraining, type MaskedInput } from "../data2vec/pretraining.js";
import type { Modality, RunConfig } from "../modalities/modality.js";
import type { PreparedBatch } from "../modalities/prepared-batch.js";
import { PretrainTask } from "../tasks/pretrain.js";
import type { Device } from "../tensor/device.js";
import { AdamW } from "./optimizer.js";
import { train } from "./trainer.js";

/** A pretraining step to be measured. */
export interface BenchStep<C extends RunConfig, I> {
  modality: Modality<C, I>;
  config: C;
  /** Folder of the training data; its first batches are read before the clock starts. */
  data: string;
  device: Device;
  /** Steps that are timed, and steps before them. */
  steps: number;
  warmUp: number;
  /** Where the device's kernels are counted; left with what the timed steps took. */
  profiler?: Profiler;
}

/** What a step takes. */
export interface StepTime {
  /** Median of a step: student, teacher, backward, optimizer, EMA, reading the loss; without reading data. */
  milliseconds: number;
  samplesPerSecond: number;
  /** Useful 10⁹ operations per second in matrix products and attention, and as many a step; null without a profile. */
  gflops: number | null;
  gflopsPerStep: number | null;
  parameters: number;
  /** Most bytes of the heap that were in use. */
  peakBytes: number;
}

/** Different batches that take turns. */
const BATCHES = 4;

/** Measures pretraining steps on batches that lie in memory. */
export async function benchStep<C extends RunConfig, I>(bench: BenchStep<C, I>): Promise<StepTime> {
  const { modality, config, device, steps, warmUp, profiler } = bench;
  const batches: PreparedBatch<MaskedInput<I>>[] = [];
  const feed = await modality.openPretraining(bench.data, config, () => {});
  try {
    for await (const batch of feed.batches(0)) {
      batches.push(batch);
      if (batches.length === BATCHES * config.train.accumulate) break;
    }
  } finally {
    await feed.close();
  }
  using method = new Data2VecPretraining(
    device,
    (role) => modality.createEncoder(config, role),
    modality.createRegressionHead(config),
    targetConfigOf(config.model),
  );
  method.initialize(config.train.seed);
  const task = new PretrainTask(method, emaScheduleOf(config.model, config.train.steps));
  using optimizer = new AdamW(task.store, config.train, task.depth);
  async function* repeat() {
    for (;;) yield* batches;
  }

  const times: number[] = [];
  let samples = 0;
  let last = performance.now();
  for await (const { step } of train({ task, optimizer, batches: repeat, config: timed(config, warmUp + steps), startStep: 0 })) {
    const now = performance.now();
    if (step > warmUp) times.push(now - last);
    else profiler?.reset();
    last = performance.now();
  }
  const { accumulate } = config.train;
  for (let pass = warmUp * accumulate; pass < (warmUp + steps) * accumulate; pass++) samples += batches[pass % batches.length].size;
  const milliseconds = [...times].sort((a, b) => a - b)[times.length >> 1];
  const flops = profiler?.profile().kernels.reduce((sum, kernel) => sum + kernel.flops, 0);
  const gflopsPerStep = flops === undefined ? null : flops / steps / 1e9;
  return {
    milliseconds,
    samplesPerSecond: (1000 * samples) / steps / milliseconds,
    gflops: gflopsPerStep === null ? null : (1000 * gflopsPerStep) / milliseconds,
    gflopsPerStep,
    parameters: task.store.count,
    peakBytes: device.heap.peak,
  };
}

/** The settings of training for so many steps, warmed up from the first. */
function timed({ train: settings }: RunConfig, steps: number): RunConfig["train"] {
  return { ...settings, steps, warmupSteps: 0, minTargetDeviation: 0, minPredictionDeviation: 0 };
}
