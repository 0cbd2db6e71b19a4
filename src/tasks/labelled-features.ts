/** Vectors with their classes, in host memory. */
export interface LabelledFeatures {
  /** (samples, dim), row-major. */
  features: Float32Array;
  /** Class of each sample. */
  labels: Int32Array;
  dim: number;
  classes: number;
}

/** Fraction of equal entries. */
export function accuracy(predicted: Int32Array, labels: Int32Array): number {
  if (predicted.length !== labels.length) throw new Error(`accuracy: ${predicted.length} predictions for ${labels.length} labels`);
  let correct = 0;
  for (let i = 0; i < labels.length; i++) correct += predicted[i] === labels[i] ? 1 : 0;
  return correct / labels.length;
}
