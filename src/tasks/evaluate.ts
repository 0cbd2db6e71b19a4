import type { EvaluationFeed } from "../modalities/modality.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Model, taskOutputs } from "./model.js";
import type { Answer, HostOutputs, Judgement, TaskKind } from "./task-kind.js";

/** How well a model does its task on a data set. */
export interface Evaluation extends Judgement {
  samples: number;
  /** Mean loss. */
  loss: number;
  /** What the model said and what the data says of each sample, in the order of the data. */
  predicted: readonly Answer[];
  expected: readonly Answer[];
}

/** What evaluation needs to know beside model and data. */
export interface EvaluateOptions {
  kind: TaskKind;
  /** Metrics to compute; those of the task when null. */
  metrics: readonly string[] | null;
}

/** Runs a model with a head once over a data set. */
export async function evaluate<I>(model: Model<I>, feed: EvaluationFeed<I>, options: EvaluateOptions): Promise<Evaluation> {
  const { kind } = options;
  const { device } = model;
  const judge = kind.judge(options.metrics ?? kind.metrics);
  let samples = 0;
  let loss = 0;
  for await (const batch of feed.batches(0)) {
    device.setScalars({ normalizer: 1 });
    const made = await device.scoped(async () => {
      const labelled = batch.upload(device);
      const [{ outputs, lengths }, stats] = device.noGrad(() => {
        const head = taskOutputs(model, labelled.input, { mask: null, train: false });
        return [head, kind.loss(head.outputs, head.lengths, labelled)];
      });
      loss += (await stats.read())[0];
      return readOutputs(outputs, lengths);
    });
    judge.add(made, batch.expected);
    samples += batch.size;
  }
  return { samples, loss: loss / samples, ...judge.result(), ...judge.predictions() };
}

/** Copies what a head gave to the host. */
export async function readOutputs(outputs: Tensor, lengths: Tensor | null): Promise<HostOutputs> {
  return {
    values: (await outputs.read()) as Float32Array,
    shape: outputs.shape,
    lengths: lengths === null ? null : ((await lengths.read()) as Int32Array),
  };
}
