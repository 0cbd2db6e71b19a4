import type { PreparedBatch } from "../modalities/prepared-batch.js";
import { readOutputs } from "./evaluate.js";
import { type Model, taskOutputs } from "./model.js";
import type { HostOutputs, Reading, TaskKind } from "./task-kind.js";

/** What a model says of one sample. */
export type Prediction = Reading & {
  /** The sample's file. */
  name: string;
};

/** The outputs of a model's head for micro-batches, with the names of the samples. */
export async function* headOutputs<I>(
  model: Model<I>,
  batches: AsyncIterable<PreparedBatch<I>>,
): AsyncGenerator<{ names: readonly string[]; outputs: HostOutputs }> {
  const { device } = model;
  for await (const batch of batches) {
    const outputs = await device.scoped(async () => {
      const head = device.noGrad(() => taskOutputs(model, batch.upload(device), { mask: null, train: false }));
      return readOutputs(head.outputs, head.lengths);
    });
    yield { names: batch.names, outputs };
  }
}

/** What a model says of the samples of micro-batches. */
export async function* predict<I>(model: Model<I>, kind: TaskKind, batches: AsyncIterable<PreparedBatch<I>>): AsyncGenerator<Prediction> {
  for await (const { names, outputs } of headOutputs(model, batches)) {
    for (const [row, reading] of kind.read(outputs).entries()) yield { name: names[row], ...reading };
  }
}
