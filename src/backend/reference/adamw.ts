import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** AdamW with decoupled weight decay over a flat range; does nothing when gradScale is NaN. */
export function adamw(
  memory: Memory,
  parameter: Pointer,
  m: Pointer,
  v: Pointer,
  gradient: Pointer,
  gradScale: Pointer,
  scalars: Pointer,
  count: number,
  lrScale: number,
  weightDecay: number,
  beta1: number,
  beta2: number,
): void {
  const parameters = memory.floats(parameter, count);
  const firsts = memory.floats(m, count);
  const seconds = memory.floats(v, count);
  const gradients = memory.floats(gradient, count);
  const factor = memory.floats(gradScale, 1)[0];
  const [learningRate, stepSize, rsqrtCorrection, epsilon] = memory.floats(scalars, 4);
  if (Number.isNaN(factor)) return;
  const [decay, b1, b2, layerScale] = [weightDecay, beta1, beta2, lrScale].map(Math.fround);
  for (let i = 0; i < count; i++) {
    const g = factor * gradients[i];
    const first = b1 * firsts[i] + (1 - b1) * g;
    const second = b2 * seconds[i] + (1 - b2) * g * g;
    const step = (stepSize * first) / (Math.sqrt(second) * rsqrtCorrection + epsilon);
    parameters[i] -= layerScale * (learningRate * decay * parameters[i] + step);
    firsts[i] = first;
    seconds[i] = second;
  }
}
