import { type Conv1dOptions, conv1d } from "../ops/conv1d.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { Init, Parameter } from "./parameter.js";

/** Sizes of a {@link Conv1d}; groups divides both numbers of channels. */
export interface Conv1dConfig extends Conv1dOptions {
  inChannels: number;
  outChannels: number;
  /** Positions that a window spans. */
  kernel: number;
  /** Whether a bias is learned; default true. */
  bias?: boolean;
}

const ZERO: Init = { kind: "constant", value: 0 };

/** Convolution over time, channels last; weight (out, kernel, in / groups), bias (out), which starts at zero unless told otherwise. */
export class Conv1d extends Module {
  readonly weight: Parameter;
  /** Null in a convolution without bias. */
  readonly bias: Parameter | null;
  readonly #options: Conv1dOptions;

  constructor({ inChannels, outChannels, kernel, bias = true, ...options }: Conv1dConfig, init: Init, biasInit: Init = ZERO) {
    super();
    this.weight = this.parameter("weight", [outChannels, kernel, inChannels / (options.groups ?? 1)], { init });
    this.bias = bias ? this.parameter("bias", [outChannels], { init: biasInit }) : null;
    this.#options = options;
  }

  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight.value, this.bias?.value ?? null, this.#options);
  }
}
