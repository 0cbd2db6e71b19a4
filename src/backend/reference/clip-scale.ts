import type { Pointer } from "../kernels.js";
import type { Memory } from "./memory.js";

const NORM_EPSILON = 1e-6;

/** scale[0] = what a gradient of this squared norm is multiplied by; NaN when the norm is not finite, so that the update is skipped. */
export function clipScale(memory: Memory, scale: Pointer, squaredNorm: Pointer, maxNorm: number): void {
  const squares = memory.floats(squaredNorm, 1)[0];
  const factor = maxNorm > 0 ? Math.min(1, Math.fround(maxNorm) / (Math.sqrt(squares) + NORM_EPSILON)) : 1;
  memory.floats(scale, 1)[0] = Number.isFinite(squares) ? factor : Number.NaN;
}
