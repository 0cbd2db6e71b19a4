import { relativeBias } from "../ops/relative-bias.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** A learned attention bias per head and relative position, table (rows, heads), starting at zero. */
export class RelativePosition extends Module {
  readonly table: Parameter;

  constructor(rows: number, heads: number) {
    super();
    this.table = this.parameter("table", [rows, heads], { init: { kind: "constant", value: 0 } });
  }

  /** The bias (heads, tokens, tokens) for an index, i32 (tokens, tokens), into the table. */
  forward(index: Tensor): Tensor {
    return relativeBias(this.table.value, index);
  }
}
