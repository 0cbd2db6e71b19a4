import { linear } from "../ops/linear.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { Init, Parameter } from "./parameter.js";

/** y = x · weightᵀ + bias over the last axis; weight (out, in), bias (out) starting at zero. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inDim: number, outDim: number, init: Init) {
    super();
    this.weight = this.parameter("weight", [outDim, inDim], { init });
    this.bias = this.parameter("bias", [outDim], { init: { kind: "constant", value: 0 } });
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight.value, this.bias.value);
  }
}
