import type { Pointer } from "../kernels.js";
import { gelu } from "./gelu.js";
import { linear } from "./linear.js";
import type { Memory } from "./memory.js";

/** pre = x · weightᵀ + bias, y = gelu(pre); pre may be absent. */
export function linearGelu(
  memory: Memory,
  y: Pointer,
  pre: Pointer,
  x: Pointer,
  weight: Pointer,
  bias: Pointer,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  const to = pre === 0 ? y : pre;
  linear(memory, to, x, weight, bias, rows, inDim, outDim);
  gelu(memory, y, to, rows * outDim);
}
