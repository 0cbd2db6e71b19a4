import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

/** y = x · Φ(x), the exact GELU. */
export function gelu(memory: Memory, y: Pointer, x: Pointer, count: number): void {
  const ys = memory.floats(y, count);
  const xs = memory.floats(x, count);
  for (let i = 0; i < count; i++) ys[i] = geluAt(xs[i]);
}

/** dx = dy · (Φ(x) + x φ(x)); dx may be dy. */
export function geluGrad(memory: Memory, dx: Pointer, dy: Pointer, x: Pointer, count: number): void {
  const dxs = memory.floats(dx, count);
  const dys = memory.floats(dy, count);
  const xs = memory.floats(x, count);
  for (let i = 0; i < count; i++) dxs[i] = dys[i] * geluSlope(xs[i]);
}

/** x · Φ(x) */
export function geluAt(x: number): number {
  return x * normalCdf(x);
}

/** Φ(x) + x φ(x), the derivative of {@link geluAt}. */
export function geluSlope(x: number): number {
  return normalCdf(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

/** Φ(x) to double precision: a series near 0, the continued fraction of the tail elsewhere. */
export function normalCdf(x: number): number {
  const magnitude = Math.abs(x);
  const density = Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  if (magnitude < 3) {
    let term = x;
    let sum = x;
    for (let k = 1; k < 200 && Math.abs(term) > 1e-17 * Math.abs(sum); k++) {
      term *= (x * x) / (2 * k + 1);
      sum += term;
    }
    return 0.5 + density * sum;
  }
  let fraction = magnitude;
  for (let k = 60; k > 0; k--) fraction = magnitude + k / fraction;
  const tail = density / fraction;
  return x > 0 ? 1 - tail : tail;
}
