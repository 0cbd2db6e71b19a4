import { linear } from "../ops/linear.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { Init, Parameter } from "./parameter.js";

/** y = x · weightᵀ + bias over the last axis; weight (out, in), bias (out), which starts at zero unless told otherwise. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inDim: number, outDim: number, init: Init, biasInit: Init = { kind: "constant", value: 0 }) {
    super();
    this.weight = this.parameter("weight", [outDim, inDim], { init });
    this.bias = this.parameter("bias", [outDim], { init: biasInit });
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight.value, this.bias.value);
  }
}
