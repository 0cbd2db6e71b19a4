import type { Data2VecEncoder } from "../data2vec/encoder.js";
import type { EvaluationFeed } from "../modalities/modality.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import { DEFAULT_FEATURES, pooledFeatures } from "./features.js";

/** Vectors with their classes, in host memory. */
export interface LabelledFeatures {
  /** (samples, dim), row-major. */
  features: Float32Array;
  /** Class of each sample. */
  labels: Int32Array;
  dim: number;
  classes: number;
}

/** The frozen features of every sample of a feed, see {@link pooledFeatures}. */
export function encoderFeatures<I>(
  device: Device,
  encoder: Data2VecEncoder<I>,
  feed: EvaluationFeed<I>,
  options = DEFAULT_FEATURES,
): Promise<LabelledFeatures> {
  return collect(device, feed, (input) => pooledFeatures(encoder, input, options));
}

/** The inputs themselves as features (pixels): the baseline that learned features should beat. */
export function inputFeatures(device: Device, feed: EvaluationFeed<Tensor>): Promise<LabelledFeatures> {
  return collect(device, feed, (input) => input);
}

/** Fraction of equal entries. */
export function accuracy(predicted: Int32Array, labels: Int32Array): number {
  if (predicted.length !== labels.length) throw new Error(`accuracy: ${predicted.length} predictions for ${labels.length} labels`);
  let correct = 0;
  for (let i = 0; i < labels.length; i++) correct += predicted[i] === labels[i] ? 1 : 0;
  return correct / labels.length;
}

async function collect<I>(device: Device, feed: EvaluationFeed<I>, compute: (input: I) => Tensor): Promise<LabelledFeatures> {
  const parts: Float32Array[] = [];
  const labels: number[] = [];
  let classes = 0;
  for await (const batch of feed.batches(0)) {
    await device.scoped(async () => {
      const { input, targets } = batch.upload(device);
      if (batch.expected.kind !== "classes") throw new Error(`features: the data holds ${batch.expected.kind}, not classes`);
      labels.push(...batch.expected.labels);
      classes = targets.shape[1];
      parts.push((await device.noGrad(() => compute(input)).read()) as Float32Array);
    });
  }
  const features = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    features.set(part, offset);
    offset += part.length;
  }
  return { features, labels: Int32Array.from(labels), dim: features.length / labels.length, classes };
}
