import type { Pointer } from "../backend/kernels.js";
import type { Device } from "./device.js";
import type { Arena, Lifetime, Mark } from "./memory.js";
import type { DType, Tensor } from "./tensor.js";

/** A scope: tensors made while it is the innermost one end with it. Close it with `using`, or by {@link Scope.end}. */
export class Scope implements Lifetime, Disposable {
  #ended = false;
  readonly #mark: Mark;
  readonly #kept: Pointer[] = [];

  constructor(
    private readonly device: Device,
    private readonly arena: Arena,
    readonly parent: Scope | null,
    private readonly leave: (scope: Scope) => void,
  ) {
    this.#mark = arena.enter();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Copies a tensor out to the enclosing scope; from an outermost scope it becomes state that the caller releases. */
  keep<D extends DType>(tensor: Tensor<D>): Tensor<D> {
    const kept = this.device.state(tensor.shape, tensor.label, tensor.dtype);
    // Elements of four bytes are alike to a copy.
    const { copy } = tensor.dtype === "bf16" ? tensor.kernels : this.device.kernels;
    copy(kept.ptr, tensor.ptr, tensor.count);
    if (this.parent !== null) this.parent.#kept.push(kept.ptr);
    return kept;
  }

  /** Ends the scope: its tensors become unusable and their memory is used again. */
  end(): void {
    if (this.#ended) return;
    this.leave(this);
    this.#ended = true;
    this.arena.rewind(this.#mark);
    for (const pointer of this.#kept) this.device.heap.free(pointer);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}
