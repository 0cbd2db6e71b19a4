import { findCheckpoint, resolveModelFolder, writeCheckpoint } from "../checkpoint/directory.js";
import { CheckpointError } from "../checkpoint/error.js";
import { readParameters, writeParameters } from "../checkpoint/parameters.js";
import { type TrainerState, writeTrainerState } from "../checkpoint/trainer-state.js";
import { configChanges, configHash } from "../config/resolve.js";
import { resolveSteps } from "../config/train.js";
import type { LabelledData, Modality, RunConfig, TaskName } from "../modalities/modality.js";
import { type Evaluation, evaluate } from "../tasks/evaluate.js";
import { Model } from "../tasks/model.js";
import { SupervisedTask } from "../tasks/supervised.js";
import { isBetter } from "../tasks/task-kind.js";
import { taskKind } from "../tasks/task-kinds.js";
import type { Device } from "../tensor/device.js";
import { AdamW } from "./optimizer.js";
import { flatReport } from "./pretrain.js";
import { RunFolder } from "./run-folder.js";
import { writeRunSource } from "./run-source.js";
import { expectSameConfig, expectSameData, loadOptimizer, saveOptimizer } from "./state.js";
import { type StepReport, train } from "./trainer.js";

/** A fine-tuning run. */
export interface FinetuneRun<C extends RunConfig, I> {
  modality: Modality<C, I>;
  /** What is learned; by default the modality's first task. */
  task?: TaskName;
  /** The effective configuration. */
  config: C;
  /** Pretrained model: a run folder or a Hugging Face folder. Null trains from scratch. */
  model: string | null;
  /** Draws the weights anew: only what travels with the model, such as a tokenizer, is taken of it. The baseline of pretraining. */
  freshWeights?: boolean;
  /** Folder of the labelled data. */
  data: string;
  /** The run's folder. */
  out: string;
  device: Device;
  /** Number of labels to train with, the same of each class; all when absent. */
  labels?: number;
  /** Evaluate on this part of the labelled samples, which are then not trained on, instead of the test split. */
  holdOut?: number;
  resume?: boolean;
  signal?: AbortSignal;
}

/** What a step of fine-tuning reports; `evaluation` where there was one. */
export interface FinetuneReport extends StepReport {
  evaluation: Evaluation | null;
}

/**
 * Fine-tunes a model for a task and saves it in `out`; one report per step, the last with the evaluation of the final model.
 *
 * @throws CheckpointError, LockedError for folders; TrainingError when training can't go on; errors of the data
 */
export async function* finetune<C extends RunConfig, I>(run: FinetuneRun<C, I>): AsyncGenerator<FinetuneReport> {
  const { modality, config, device, signal, labels, holdOut } = run;
  const { steps, logEvery, saveEvery, evaluateEvery, keepBest, patience, seed } = config.train;
  const taskName = run.task ?? modality.tasks[0];
  using folder = await RunFolder.open(run.out, { resume: run.resume });
  const { resumed } = folder;
  if (resumed !== null) expectSameConfig(resumed, config);
  const source = resumed === null ? null : (await findCheckpoint(folder.checkpoint))!;
  const data: LabelledData<I> = await modality.openLabelled(run.data, config, {
    task: taskName,
    labels,
    holdOut,
    model: run.model === null || resumed !== null ? null : (await resolveModelFolder(run.model)).folder,
    checkpoint: source,
    onSkip: (skipped) => folder.skip(skipped),
  });
  const origin = { samples: data.train.size, outputs: data.outputs, labels: labels ?? null, holdOut: holdOut ?? null };
  try {
    if (resumed !== null) expectSameData(resumed, origin);
    const head = modality.createHead(config, taskName, data.outputs.length);
    using model = new Model(device, modality.createEncoder(config, taskName), head, { trainable: true });
    const kind = taskKind(taskName, data.outputs);
    const task = new SupervisedTask(model, kind, resolveSteps(config.train.freezeSteps, steps));
    using optimizer = new AdamW(task.store, config.train, task.depth);
    let step = 0;
    let saved = -1;
    let best: TrainerState["best"] = null;
    let evaluationsSinceBest = 0;

    const saveModel = async (target: string) => {
      const parameters = await readParameters(model.store);
      const { outputs, benchmark, companions } = data;
      await modality.saveModel(target, { config, parameters, task: taskName, outputs, benchmark, companions });
    };
    const save = async () => {
      await writeCheckpoint(folder.checkpoint, async (target) => {
        await saveModel(target);
        await saveOptimizer(target, optimizer);
        const state = { step, seed, configHash: configHash(config), config, data: origin, best, evaluationsSinceBest };
        await writeTrainerState(target, state);
      });
      saved = step;
    };
    const judge = async (): Promise<Evaluation | null> => {
      if (data.evaluation === null) return null;
      const evaluation = await evaluate(model, data.evaluation, { kind, metrics: data.metrics });
      const { name, value } = evaluation.score;
      if (best === null || isBetter(name, value, best.value)) {
        best = { value, step };
        evaluationsSinceBest = 0;
        if (keepBest) await writeCheckpoint(folder.best, saveModel);
      } else {
        evaluationsSinceBest++;
      }
      folder.metrics.append({ step, ...flatEvaluation(evaluation) });
      return evaluation;
    };

    model.store.initialize(seed);
    if (resumed !== null && source !== null) {
      writeParameters(model.store, (await modality.loadModel(source)).parameters);
      await loadOptimizer(source, optimizer);
      ({ step, best, evaluationsSinceBest } = resumed);
      saved = step;
    } else if (run.model !== null && !run.freshWeights) {
      await loadPretrained(modality, config, run.model, model);
    }
    const outOfPatience = () => patience > 0 && evaluationsSinceBest >= patience;
    if (outOfPatience()) return;
    // Last, so that a mistake until here leaves the folder free.
    const startedWith = {
      modality: modality.name,
      task: taskName,
      data: run.data,
      model: run.model,
      freshWeights: run.freshWeights ?? false,
      labels: origin.labels,
      holdOut: origin.holdOut,
    };
    await writeRunSource(run.out, startedWith);
    await folder.saveConfig(config);
    const batches = (from: number) => data.train.batches(from);
    let failed = true;
    try {
      for await (const report of train({ task, optimizer, batches, config: config.train, startStep: step, signal })) {
        step = report.step;
        if (step % logEvery === 0 || step === steps) folder.metrics.append(flatReport(report));
        const due = (evaluateEvery > 0 && step % evaluateEvery === 0) || step === steps;
        const evaluation = due ? await judge() : null;
        if (step % saveEvery === 0) await save();
        failed = false;
        yield { ...report, evaluation };
        failed = true;
        if (outOfPatience()) break;
      }
      failed = false;
    } finally {
      if (!failed && step > 0 && saved !== step) await save();
    }
  } finally {
    await data.train.close();
    await data.plain.close();
    await data.evaluation?.close();
  }
}

/** An evaluation as a part of a line of `metrics.jsonl`: evaluationLoss, evaluationAccuracy, ... */
export function flatEvaluation({ loss, metrics }: Evaluation): Record<string, number> {
  const named = Object.entries(metrics).map(([name, value]) => [`evaluation${name[0].toUpperCase()}${name.slice(1)}`, value]);
  return { ...Object.fromEntries(named), evaluationLoss: loss };
}

/** Fills a model with a pretrained encoder; the head stays as it is. */
async function loadPretrained<C extends RunConfig, I>(modality: Modality<C, I>, config: C, path: string, model: Model<I>): Promise<void> {
  const { folder } = await resolveModelFolder(path);
  const { parameters, config: theirs } = await modality.loadModel(folder);
  const changes = configChanges({ model: modality.architecture(theirs) }, { model: modality.architecture(config) });
  if (changes.length > 0) {
    throw new CheckpointError(`the configuration is of another architecture than the model in ${folder}: ${changes.join("; ")}`);
  }
  const fresh = Object.keys(model.head?.modules ?? {});
  const isFresh = (name: string) => fresh.some((part) => name.startsWith(`${part}.`));
  const encoder = new Map([...parameters].filter(([name]) => !isFresh(name)));
  writeParameters(model.store, encoder, model.store.values, { allowMissing: isFresh });
}
