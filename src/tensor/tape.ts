import type { Pointer } from "../backend/kernels.js";
import type { Device } from "./device.js";
import type { Tensor } from "./tensor.js";

/** Carries the gradient of an operation's output back to its inputs. */
export type Backward = (dy: Tensor) => void;

/** Gradients whose memory was made for them and isn't that of another by now. */
const ownMemory = new WeakSet<Tensor>();

/** The operations of a step in the order they ran, each with the closure that reverses it. */
export class Tape {
  /** Whether blocks compute their activations once more in the backward pass instead of keeping them; see `contained`. */
  checkpointing = false;
  #entries: { output: Tensor; backward: Backward }[] = [];
  #paused = false;

  get recording(): boolean {
    return !this.#paused;
  }

  push(output: Tensor, backward: Backward): void {
    this.#entries.push({ output, backward });
  }

  paused<R>(body: () => R): R {
    const before = this.#paused;
    this.#paused = true;
    try {
      return body();
    } finally {
      this.#paused = before;
    }
  }

  /** Runs the tape in reverse, and empties it. The gradient of an operation's output ends when it has been carried on. */
  reverse(): void {
    const entries = this.#entries;
    this.#entries = [];
    for (let i = entries.length - 1; i >= 0; i--) {
      const { output, backward } = entries[i];
      const dy = output.grad;
      if (dy === null) continue;
      output.grad = null;
      backward(dy);
      if (ownMemory.has(dy)) output.device.discard(dy);
    }
  }

  clear(): void {
    this.#entries = [];
  }
}

/** Whether an operation on `inputs` must keep what its backward pass needs. */
export function wantsGrad(device: Device, inputs: readonly (Tensor | null)[]): boolean {
  return device.tape.recording && inputs.some((input) => input?.requiresGrad);
}

/** Records how to reverse the operation that made `y`, if a gradient is wanted for one of its inputs. */
export function record(y: Tensor, inputs: readonly (Tensor | null)[], backward: Backward): void {
  if (!wantsGrad(y.device, inputs)) return;
  y.requiresGrad = true;
  y.device.tape.push(y, backward);
}

function emptyGrad(x: Tensor): Tensor {
  const dx = x.device.empty(x.shape, `gradient of ${x.label}`, x.dtype);
  ownMemory.add(dx);
  return dx;
}

/** Lets `overwrite` write a gradient of `x`, and adds it to what has flowed into `x` before. */
export function accumulate(x: Tensor, overwrite: (dx: Pointer) => void): void {
  if (!x.requiresGrad) return;
  const dx = emptyGrad(x);
  overwrite(dx.ptr);
  if (x.grad === null) {
    x.grad = dx;
    return;
  }
  x.kernels.add(x.grad.ptr, x.grad.ptr, dx.ptr, x.count);
  x.device.discard(dx);
}

/** Passes `dy` on as the gradient of `x`, without a copy when it is the first. The caller must not use `dy` afterwards. */
export function passGrad(x: Tensor, dy: Tensor): void {
  if (!x.requiresGrad) return;
  if (x.grad === null) {
    x.grad = dy.reshape(x.shape);
    if (ownMemory.delete(dy)) ownMemory.add(x.grad);
  } else x.kernels.add(x.grad.ptr, x.grad.ptr, dy.ptr, x.count);
}

/** Address of the gradient of `x` for kernels that add to it, zeroed before the first; 0 when no gradient is wanted. */
export function addingGrad(x: Tensor | null): Pointer {
  if (!x?.requiresGrad) return 0;
  if (x.grad === null) {
    x.grad = emptyGrad(x);
    x.kernels.fill(x.grad.ptr, x.count, 0);
  }
  return x.grad.ptr;
}

/** Runs the tape back from a loss (whose operation knows its own gradient); gradients of parameters add up in their `grad`. */
export function backward(loss: Tensor): void {
  if (!loss.requiresGrad) throw new Error(`backward: ${loss.label} depends on nothing that requires a gradient`);
  loss.grad = loss;
  loss.device.tape.reverse();
}
