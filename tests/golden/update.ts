/** One pretraining update of a golden case, compared in every number that the case holds. */
import { expect } from "vitest";
import { readParameters, writeParameters } from "../../src/checkpoint/parameters.js";
import type { HostTensor } from "../../src/checkpoint/safetensors.js";
import type { Data2VecPretraining, MaskedInput } from "../../src/data2vec/pretraining.js";
import type { ParameterStore } from "../../src/nn/parameter-store.js";
import { backward } from "../../src/tensor/tape.js";
import { AdamW, type OptimizerConfig } from "../../src/train/optimizer.js";
import { expectGolden, type GoldenCase } from "./golden.js";

type Tensors = ReadonlyMap<string, HostTensor>;
type Names = (tensors: Tensors) => Map<string, HostTensor>;

/** What a case says, in our terms. */
export interface GoldenUpdate<I> {
  golden: GoldenCase;
  task: Data2VecPretraining<I>;
  /** Our names for the student's tensors, or for gradients (`prefix` "grad."), and for the teacher's. */
  student: (tensors: Tensors, prefix?: string) => Map<string, HostTensor>;
  teacher: Names;
  /** The batch, made in the innermost scope. */
  batch: () => MaskedInput<I>;
  /** Rows of the masked positions in (batch · tokens). */
  rows: readonly number[];
  /** Names of target, prediction and loss in the case. */
  outputs: { target: string; prediction: string; loss: string };
  /** What the case's loss and gradients are in ours, whose loss is divided by the number of masked positions. */
  factor: number;
  /** Rows that `features.*` hold, of (batch · tokens); all when absent. */
  featureRows?: readonly number[];
  optimizer: Pick<OptimizerConfig, "beta1" | "beta2"> & Partial<OptimizerConfig>;
}

/** Loads the case's student and teacher, makes the update, and compares. */
export async function expectUpdate<I>(update: GoldenUpdate<I>): Promise<void> {
  const { golden, task, rows, factor } = update;
  const { device, student, store, ema } = task;
  const compare = (what: string, actual: Float32Array, name: string) => {
    const expected = golden.io.get(name);
    expect(expected, `${name} is in the case`).toBeDefined();
    expectGolden(what, actual, expected!, golden.uncertainty(name));
  };
  const times = (values: Float32Array) => (factor === 1 ? values : values.map((value) => value * factor));
  const pick = (values: Float32Array, wanted: readonly number[]) =>
    Float32Array.from(wanted.flatMap((row) => [...values.subarray(row * student.dim, (row + 1) * student.dim)]));

  writeParameters(store, update.student(await golden.file("student")));
  writeParameters(ema.teacher, update.teacher(await golden.file("teacher")));
  device.setScalars({ normalizer: rows.length });
  const scope = device.scope();
  const batch = update.batch();
  const stats = task.loss(batch);
  backward(stats);

  const target = device.scoped((inner) => inner.keep(task.targets(batch)));
  const prediction = device.noGrad(() => task.predictions(batch));
  compare("target", pick((await target.read()) as Float32Array, rows), update.outputs.target);
  compare("prediction", (await prediction.read()) as Float32Array, update.outputs.prediction);
  compare("loss", times(((await stats.read()) as Float32Array).subarray(0, 1)), update.outputs.loss);

  store.clearFrozen();
  const gradients = await readParameters(store, store.gradients!);
  const gradientNames: Names = (tensors) => update.student(tensors, "grad.");
  const expected = gradientNames(golden.io);
  expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
  const uncertainty = uncertainties(golden, "io", golden.io, gradientNames);
  for (const [key, tensor] of expected) {
    expectGolden(`gradient of ${key}`, times(gradients.get(key)!.data as Float32Array), tensor, uncertainty.get(key));
  }

  const taps: Record<string, Promise<unknown>> = {};
  device.noGrad(() => {
    const last = student.encode(student.embed(batch.input), {
      mask: null,
      train: false,
      onLayer: (layer, outputs) => {
        taps[`features.layer.${layer}`] = outputs.block.read();
        taps[`features.fc.${layer}`] = outputs.ffn().read();
      },
    });
    if (golden.io.has("features.x") && update.featureRows === undefined) taps["features.x"] = last.read();
  });
  expect(Object.keys(taps).length).toBeGreaterThanOrEqual(2 * student.depth);
  for (const [key, values] of Object.entries(taps)) {
    const all = (await values) as Float32Array;
    compare(key, update.featureRows === undefined ? all : pick(all, update.featureRows), key);
  }
  scope.end();

  const { lr, eps, weight_decay } = golden.meta.optimizer as { lr: number; eps: number; weight_decay: number };
  const config = { epsilon: eps, weightDecay: weight_decay, clipNorm: 0, layerDecay: 1, ...update.optimizer };
  using optimizer = new AdamW(store, config, student.depth);
  optimizer.prepare(1, lr);
  optimizer.step();
  device.setScalars({ emaDecay: golden.meta.ema!.decay_used });
  ema.update();
  await expectAfter(update, "student_after", store, update.student);
  await expectAfter(update, "teacher_after", ema.teacher, update.teacher);
}

async function expectAfter<I>({ golden }: GoldenUpdate<I>, file: string, store: ParameterStore, names: Names): Promise<void> {
  const tensors = await golden.file(file);
  // The BEiT fork's teacher carries a head that nothing uses.
  const expected = new Map([...names(tensors)].filter(([key]) => file === "student_after" || !key.startsWith("head.")));
  const actual = await readParameters(store);
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  const uncertainty = uncertainties(golden, file, tensors, names);
  for (const [key, tensor] of expected) {
    expectGolden(`${file} ${key}`, actual.get(key)!.data as Float32Array, tensor, uncertainty.get(key));
  }
}

/** The uncertainty of each of our tensors: the largest of those that it is put together from. */
function uncertainties(golden: GoldenCase, file: string, tensors: Tensors, names: Names): Map<string, number> {
  const result = new Map<string, number>();
  for (const [key, tensor] of tensors) {
    for (const ours of names(new Map([[key, tensor]])).keys()) {
      result.set(ours, Math.max(result.get(ours) ?? 0, golden.uncertainty(key, file)));
    }
  }
  return result;
}
