import type { Shape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";

/** An index that a module computes with and that is never learned: declared by the module, given memory by a store. */
export class Constant {
  #value: Tensor<"i32"> | null = null;

  constructor(
    readonly shape: Shape,
    readonly compute: () => Int32Array,
  ) {}

  /** The tensor behind it. Throws before a store has given it memory. */
  get value(): Tensor<"i32"> {
    if (this.#value === null) throw new Error("constant used before its module was given memory by a ParameterStore");
    return this.#value;
  }

  /** Called by the store that gives it memory. */
  bind(value: Tensor<"i32">): void {
    value.write(this.compute());
    this.#value = value;
  }
}
