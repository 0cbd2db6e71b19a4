import { findCheckpoint, writeCheckpoint } from "../checkpoint/directory.js";
import { readParameters, writeParameters } from "../checkpoint/parameters.js";
import { writeTrainerState } from "../checkpoint/trainer-state.js";
import { configHash } from "../config/resolve.js";
import { emaScheduleOf, targetConfigOf } from "../data2vec/config.js";
import { Data2VecPretraining } from "../data2vec/pretraining.js";
import type { Modality, RunConfig } from "../modalities/modality.js";
import { PretrainTask } from "../tasks/pretrain.js";
import type { Device } from "../tensor/device.js";
import { AdamW } from "./optimizer.js";
import { RunFolder } from "./run-folder.js";
import { writeRunSource } from "./run-source.js";
import {
  expectSameConfig,
  expectSameData,
  loadOptimizer,
  loadPretrainingParts,
  saveOptimizer,
  savePretrainingParts,
  withoutHead,
} from "./state.js";
import { type StepReport, train } from "./trainer.js";

/** A pretraining run. */
export interface PretrainRun<C extends RunConfig, I> {
  modality: Modality<C, I>;
  /** The effective configuration. */
  config: C;
  /** Folder of the training data. */
  data: string;
  /** The run's folder: checkpoints, `metrics.jsonl`, `config.yaml`. */
  out: string;
  device: Device;
  /** Goes on with the run in `out`. */
  resume?: boolean;
  /** Stops the run after the step it is in; the state is saved. */
  signal?: AbortSignal;
}

/**
 * Pretrains a model by data2vec and saves it in `out`; one report per step. Ending the iteration early (or `signal`) saves too.
 *
 * @throws CheckpointError, LockedError for the folder; TrainingError when training can't go on; errors of the data
 */
export async function* pretrain<C extends RunConfig, I>(run: PretrainRun<C, I>): AsyncGenerator<StepReport> {
  const { modality, config, device, signal } = run;
  using folder = await RunFolder.open(run.out, { resume: run.resume });
  const { resumed } = folder;
  if (resumed !== null) expectSameConfig(resumed, config);
  const source = resumed === null ? null : (await findCheckpoint(folder.checkpoint))!;
  const feed = await modality.openPretraining(run.data, config, (skipped) => folder.skip(skipped), source);
  const data = { samples: feed.size };
  try {
    if (resumed !== null) expectSameData(resumed, data);
    using method = new Data2VecPretraining(
      device,
      (role) => modality.createEncoder(config, role),
      modality.createRegressionHead(config),
      targetConfigOf(config.model),
    );
    const task = new PretrainTask(method, emaScheduleOf(config.model, config.train.steps));
    using optimizer = new AdamW(task.store, config.train, task.depth);
    let step = 0;
    let saved = -1;

    const save = async () => {
      await writeCheckpoint(folder.checkpoint, async (target) => {
        const student = await readParameters(task.store);
        const parameters = withoutHead(student);
        await modality.saveModel(target, { config, parameters, task: null, outputs: null, companions: feed.companions });
        await savePretrainingParts(target, await readParameters(method.ema.teacher), student);
        await saveOptimizer(target, optimizer);
        const state = {
          step,
          seed: config.train.seed,
          configHash: configHash(config),
          config,
          data,
          best: null,
          evaluationsSinceBest: 0,
        };
        await writeTrainerState(target, state);
      });
      saved = step;
    };

    method.initialize(config.train.seed);
    if (resumed !== null && source !== null) {
      const { teacher, head } = await loadPretrainingParts(source);
      const { parameters } = await modality.loadModel(source);
      writeParameters(task.store, new Map([...parameters, ...head]));
      writeParameters(method.ema.teacher, teacher);
      await loadOptimizer(source, optimizer);
      step = resumed.step;
      saved = step;
    }
    // Last, so that a mistake until here leaves the folder free.
    await writeRunSource(run.out, { modality: modality.name, task: null, data: run.data, model: null, labels: null, holdOut: null });
    await folder.saveConfig(config);
    const loop = { task, optimizer, batches: (from: number) => feed.batches(from), config: config.train, startStep: step, signal };
    let failed = true;
    try {
      for await (const report of train(loop)) {
        step = report.step;
        if (step % config.train.logEvery === 0 || step === config.train.steps) folder.metrics.append(flatReport(report));
        if (step % config.train.saveEvery === 0) await save();
        failed = false;
        yield report;
        failed = true;
      }
      failed = false;
    } finally {
      // After a failure the last checkpoint stands; the state may hold half a step.
      if (!failed && step > 0 && saved !== step) await save();
    }
  } finally {
    await feed.close();
  }
}

/** A report as a line of `metrics.jsonl`. */
export function flatReport({ step, learningRate, gradientNorm, samplesPerSecond, metrics }: StepReport): Record<string, number> {
  return { step, ...metrics, learningRate, gradientNorm, samplesPerSecond };
}
