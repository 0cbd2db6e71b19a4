import path from "node:path";
import type { Modality, RunConfig } from "../modalities/modality.js";
import type { Device } from "../tensor/device.js";
import { TrainingError } from "./errors.js";
import { finetune } from "./finetune.js";
import { pretrain } from "./pretrain.js";
import type { StepReport } from "./trainer.js";

/** The main job in small: pretrain without labels, then fine-tune with few, against the same network trained from scratch. */
export interface DemoRun<C extends RunConfig, I> {
  modality: Modality<C, I>;
  pretraining: C;
  finetuning: C;
  /** Data to pretrain on, and labelled data. */
  data: string;
  labelled: string;
  /** Folder for the three runs: `pretrained`, `scratch`, `finetuned`. */
  out: string;
  device: Device;
  labels: number;
  signal?: AbortSignal;
}

/** The parts of a demo, in order. */
export type DemoPhase = "pretraining" | "scratch" | "fine-tuning";

/** What {@link demo} yields: a step of one of its parts. */
export interface DemoReport {
  phase: DemoPhase;
  report: StepReport;
}

/** What came out, accuracies on the test split. */
export interface DemoResult {
  labels: number;
  scratchAccuracy: number;
  pretrainedAccuracy: number;
  seconds: number;
}

/** Runs the demo; the generator's return value is its result, or null when it was stopped. */
export async function* demo<C extends RunConfig, I>(run: DemoRun<C, I>): AsyncGenerator<DemoReport, DemoResult | null> {
  const { modality, pretraining, finetuning, data, labelled, out, device, labels, signal } = run;
  const started = performance.now();
  const pretrained = path.join(out, "pretrained");
  for await (const report of pretrain({ modality, config: pretraining, data, out: pretrained, device, signal })) {
    yield { phase: "pretraining", report };
  }

  async function* classifier(phase: DemoPhase, freshWeights: boolean, folder: string): AsyncGenerator<DemoReport, number | null> {
    let accuracy: number | null = null;
    const options = {
      modality,
      config: finetuning,
      model: pretrained,
      freshWeights,
      data: labelled,
      out: path.join(out, folder),
      device,
      labels,
      signal,
    };
    for await (const report of finetune(options)) {
      accuracy = report.evaluation?.metrics.accuracy ?? accuracy;
      yield { phase, report };
    }
    if (accuracy === null && !signal?.aborted) throw new TrainingError(`${labelled}: has no test split to judge the demo by`);
    return accuracy;
  }
  if (signal?.aborted) return null;
  const scratchAccuracy = yield* classifier("scratch", true, "scratch");
  if (signal?.aborted) return null;
  const pretrainedAccuracy = yield* classifier("fine-tuning", false, "finetuned");
  if (scratchAccuracy === null || pretrainedAccuracy === null) return null;
  return { labels, scratchAccuracy, pretrainedAccuracy, seconds: (performance.now() - started) / 1000 };
}
