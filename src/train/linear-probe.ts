import { Linear } from "../nn/linear.js";
import { ParameterStore } from "../nn/parameter-store.js";
import { crossEntropy } from "../ops/cross-entropy.js";
import { argMaxRows } from "../tasks/arg-max.js";
import type { LabelledFeatures } from "../tasks/labelled-features.js";
import type { Device } from "../tensor/device.js";
import { backward } from "../tensor/tape.js";
import { AdamW } from "./optimizer.js";

/** How a linear classifier is fitted. */
export interface ProbeConfig {
  /** Full-batch steps of AdamW with a half cosine. */
  steps: number;
  learningRate: number;
  weightDecay: number;
}

/** Settings that suit a few hundred to some ten thousand samples. */
export const DEFAULT_PROBE: ProbeConfig = { steps: 300, learningRate: 0.03, weightDecay: 0.01 };

/** A linear classifier on standardised features. */
export interface LinearProbe {
  /** The class of each row of features (samples, dim). */
  predict(features: Float32Array): Promise<Int32Array>;
  /** Frees its memory. */
  release(): void;
}

/** Fits softmax regression on frozen features, standardised per dimension by the training set. */
export async function fitLinearProbe(device: Device, known: LabelledFeatures, config = DEFAULT_PROBE): Promise<LinearProbe> {
  const { dim, classes, labels } = known;
  const samples = labels.length;
  const standardize = standardizer(known.features, dim);
  const head = new Linear(dim, classes, { kind: "constant", value: 0 });
  const store = new ParameterStore(device, { "": head }, { trainable: true, label: "linear probe" });
  store.initialize(0);
  const optimizer = new AdamW(
    store,
    { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: config.weightDecay, clipNorm: 0, layerDecay: 1 },
    0,
  );
  const targets = new Float32Array(samples * classes);
  for (let i = 0; i < samples; i++) targets[i * classes + labels[i]] = 1;

  device.scoped(() => {
    const x = device.from(standardize(known.features), [samples, dim]);
    const y = device.from(targets, [samples, classes]);
    device.setScalars({ normalizer: samples });
    for (let step = 0; step < config.steps; step++) {
      optimizer.prepare(step + 1, 0.5 * config.learningRate * (1 + Math.cos((Math.PI * step) / config.steps)));
      store.zeroGrad();
      device.scoped(() => backward(crossEntropy(head.forward(x), y)));
      optimizer.step();
    }
  });
  optimizer.release();

  return {
    predict: (features) =>
      device.scoped(async () => {
        const rows = features.length / dim;
        const logits = device.noGrad(() => head.forward(device.from(standardize(features), [rows, dim])));
        return Int32Array.from(argMaxRows((await logits.read()) as Float32Array, classes));
      }),
    release: () => store.release(),
  };
}

function standardizer(features: Float32Array, dim: number): (features: Float32Array) => Float32Array {
  const rows = features.length / dim;
  const mean = new Float64Array(dim);
  const variance = new Float64Array(dim);
  for (let i = 0; i < features.length; i++) mean[i % dim] += features[i] / rows;
  for (let i = 0; i < features.length; i++) variance[i % dim] += (features[i] - mean[i % dim]) ** 2 / rows;
  return (values) => values.map((value, i) => (value - mean[i % dim]) / Math.sqrt(variance[i % dim] + 1e-8));
}
