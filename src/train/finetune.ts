import { findCheckpoint, resolveModelFolder, writeCheckpoint } from "../checkpoint/directory.js";
import { CheckpointError } from "../checkpoint/error.js";
import { readParameters, writeParameters } from "../checkpoint/parameters.js";
import { type TrainerState, writeTrainerState } from "../checkpoint/trainer-state.js";
import { configChanges, configHash } from "../config/resolve.js";
import type { TrainConfig } from "../config/train.js";
import { CLASSIFICATION_PARTS, type LabelledData, type Modality } from "../modalities/modality.js";
import { ClassificationTask } from "../tasks/classification.js";
import { type Evaluation, evaluate } from "../tasks/evaluate.js";
import { Model } from "../tasks/model.js";
import type { Device } from "../tensor/device.js";
import { AdamW } from "./optimizer.js";
import { flatReport } from "./pretrain.js";
import { RunFolder } from "./run-folder.js";
import { writeRunSource } from "./run-source.js";
import { expectSameConfig, expectSameData, loadOptimizer, saveOptimizer } from "./state.js";
import { type StepReport, train } from "./trainer.js";

/** A fine-tuning run: classification. */
export interface FinetuneRun<C extends { train: TrainConfig; model: { layerNormEps: number } }, I> {
  modality: Modality<C, I>;
  /** The effective configuration. */
  config: C;
  /** Pretrained model: a run folder or a Hugging Face folder. Null trains from scratch. */
  model: string | null;
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

/** Parameters that a pretrained model need not bring. */
const FRESH = /^(classifier|pooler)\./;

/**
 * Fine-tunes a model for classification and saves it in `out`; one report per step, the last with the evaluation of the final model.
 *
 * @throws CheckpointError, LockedError for folders; TrainingError when training can't go on; errors of the data
 */
export async function* finetune<C extends { train: TrainConfig; model: { layerNormEps: number } }, I>(
  run: FinetuneRun<C, I>,
): AsyncGenerator<FinetuneReport> {
  const { modality, config, device, signal, labels, holdOut } = run;
  const { steps, logEvery, saveEvery, evaluateEvery, keepBest, patience, seed } = config.train;
  using folder = await RunFolder.open(run.out, { resume: run.resume });
  const { resumed } = folder;
  if (resumed !== null) expectSameConfig(resumed, config);
  const data: LabelledData<I> = await modality.openLabelled(run.data, config, {
    labels,
    holdOut,
    onSkip: (skipped) => folder.skip(skipped),
  });
  const origin = { samples: data.train.size, classes: data.classes, labels: labels ?? null, holdOut: holdOut ?? null };
  try {
    if (resumed !== null) expectSameData(resumed, origin);
    using model = new Model(device, modality.createEncoder(config, CLASSIFICATION_PARTS), {
      pooling: "mean",
      layerNormEps: config.model.layerNormEps,
      classes: data.classes.length,
      trainable: true,
    });
    const task = new ClassificationTask(model);
    using optimizer = new AdamW(task.store, config.train, task.depth);
    let step = 0;
    let saved = -1;
    let best: TrainerState["best"] = null;
    let evaluationsSinceBest = 0;

    const saveModel = async (target: string) => modality.saveModel(target, config, await readParameters(model.store), data.classes);
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
      const evaluation = await evaluate(model, data.evaluation);
      if (best === null || evaluation.accuracy > best.value) {
        best = { value: evaluation.accuracy, step };
        evaluationsSinceBest = 0;
        if (keepBest) await writeCheckpoint(folder.best, saveModel);
      } else {
        evaluationsSinceBest++;
      }
      folder.metrics.append({ step, evaluationAccuracy: evaluation.accuracy, evaluationLoss: evaluation.loss });
      return evaluation;
    };

    model.store.initialize(seed);
    if (resumed !== null) {
      const source = (await findCheckpoint(folder.checkpoint))!;
      writeParameters(model.store, (await modality.loadModel(source)).parameters);
      await loadOptimizer(source, optimizer);
      ({ step, best, evaluationsSinceBest } = resumed);
      saved = step;
    } else if (run.model !== null) {
      await loadPretrained(modality, config, run.model, model);
    }
    const outOfPatience = () => patience > 0 && evaluationsSinceBest >= patience;
    if (outOfPatience()) return;
    // Last, so that a mistake until here leaves the folder free.
    const startedWith = { modality: modality.name, data: run.data, model: run.model, labels: origin.labels, holdOut: origin.holdOut };
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

/** Fills a classifier with a pretrained encoder; what only the classifier has stays as it is. */
async function loadPretrained<C extends { train: TrainConfig }, I>(
  modality: Modality<C, I>,
  config: C,
  path: string,
  model: Model<I>,
): Promise<void> {
  const { folder } = await resolveModelFolder(path);
  const { parameters, config: theirs } = await modality.loadModel(folder);
  const changes = configChanges({ model: modality.architecture(theirs) }, { model: modality.architecture(config) });
  if (changes.length > 0) {
    throw new CheckpointError(`the configuration is of another architecture than the model in ${folder}: ${changes.join("; ")}`);
  }
  const pretrained = new Map([...parameters].filter(([name]) => !FRESH.test(name)));
  writeParameters(model.store, pretrained, model.store.values, { allowMissing: (name) => FRESH.test(name) });
}
