import { embedding } from "../ops/embedding.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { Init, Parameter } from "./parameter.js";

/** A learned vector per id: table (count, dim). The row of `paddingId` starts at zero and gets no gradient. */
export class Embedding extends Module {
  readonly table: Parameter;

  constructor(
    readonly count: number,
    dim: number,
    init: Init,
    readonly paddingId: number | null = null,
  ) {
    super();
    if (paddingId !== null && !(Number.isInteger(paddingId) && paddingId >= 0 && paddingId < count)) {
      throw new Error(`embedding: paddingId: expected an id below ${count}, got ${paddingId}`);
    }
    const zero = paddingId === null ? null : { start: paddingId * dim, count: dim };
    this.table = this.parameter("table", [count, dim], { init, zero });
  }

  /** The vectors (..., dim) of `ids`, i32 (...), which must lie below `count`. */
  forward(ids: Tensor): Tensor {
    return embedding(this.table.value, ids, this.paddingId);
  }
}
