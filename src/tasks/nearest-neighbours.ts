import { linear } from "../ops/linear.js";
import type { Device } from "../tensor/device.js";
import type { LabelledFeatures } from "./labelled-features.js";

const BLOCK = 256;

/**
 * k-nearest-neighbour classification by cosine similarity: the classes of `queries` as the majority of the k most similar of `known`, ties
 * going to the class with the larger sum of similarities.
 */
export async function nearestNeighbours(device: Device, known: LabelledFeatures, queries: Float32Array, k: number): Promise<Int32Array> {
  const { dim, classes, labels } = known;
  const count = labels.length;
  if (k < 1 || k > count) throw new Error(`k-NN: k must be from 1 to the ${count} labelled samples, got ${k}`);
  const reference = normalizeRows(known.features, dim);
  const rows = normalizeRows(queries, dim);
  const predicted = new Int32Array(rows.length / dim);
  await device.scoped(async () => {
    const knownRows = device.from(reference, [count, dim]);
    for (let start = 0; start < predicted.length; start += BLOCK) {
      const size = Math.min(BLOCK, predicted.length - start);
      await device.scoped(async () => {
        const block = device.from(rows.subarray(start * dim, (start + size) * dim), [size, dim]);
        const similarities = (await device.noGrad(() => linear(block, knownRows, null)).read()) as Float32Array;
        for (let i = 0; i < size; i++) {
          predicted[start + i] = vote(similarities.subarray(i * count, (i + 1) * count), labels, classes, k);
        }
      });
    }
  });
  return predicted;
}

function vote(similarities: Float32Array, labels: Int32Array, classes: number, k: number): number {
  const nearest: number[] = [];
  for (let i = 0; i < similarities.length; i++) {
    if (nearest.length === k && similarities[i] <= similarities[nearest[k - 1]]) continue;
    let at = nearest.length;
    while (at > 0 && similarities[nearest[at - 1]] < similarities[i]) at--;
    nearest.splice(at, 0, i);
    if (nearest.length > k) nearest.pop();
  }
  const votes = new Int32Array(classes);
  const sums = new Float64Array(classes);
  for (const i of nearest) {
    votes[labels[i]]++;
    sums[labels[i]] += similarities[i];
  }
  let best = 0;
  for (let label = 1; label < classes; label++) {
    if (votes[label] > votes[best] || (votes[label] === votes[best] && sums[label] > sums[best])) best = label;
  }
  return best;
}

function normalizeRows(features: Float32Array, dim: number): Float32Array {
  const result = new Float32Array(features.length);
  for (let start = 0; start < features.length; start += dim) {
    let square = 0;
    for (let i = start; i < start + dim; i++) square += features[i] ** 2;
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
    for (let i = start; i < start + dim; i++) result[i] = features[i] * scale;
  }
  return result;
}
