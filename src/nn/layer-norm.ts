import { layerNorm } from "../ops/layer-norm.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** Layer norm over the last axis with learned weight and bias (dim). */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(
    dim: number,
    private readonly eps: number,
  ) {
    super();
    this.weight = this.parameter("weight", [dim], { init: { kind: "constant", value: 1 } });
    this.bias = this.parameter("bias", [dim], { init: { kind: "constant", value: 0 } });
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.value, this.bias.value, this.eps);
  }
}
