import { accumulate, addingGrad, record } from "./tape.js";
import type { Tensor } from "./tensor.js";

/**
 * Runs `body`, which makes a tensor of the shape of `x`, so that of all it makes only the result stays. Without recording that saves the
 * memory of what nobody needs any more. With it, under {@link Tape.checkpointing}, `body` runs once more when the gradient comes back
 * (activation checkpointing, Chen et al. 2016), and gives the same bits, as randomness depends on the place alone; otherwise what it makes
 * stays for the backward pass, as if it were called.
 *
 * @param others names what gets gradients beside `x`: parameters, and tensors from outside of `body`
 * @param look called once with the result, while what `body` made is still there
 */
export function contained(
  x: Tensor,
  others: () => readonly (Tensor | null)[],
  body: (x: Tensor) => Tensor,
  look: (y: Tensor) => void = () => {},
): Tensor {
  const { device } = x;
  const { tape } = device;
  const run = () =>
    device.resultOf(() => {
      const y = body(x);
      look(y);
      return y;
    });
  if (!tape.recording || !tape.checkpointing) return run();

  const y = device.noGrad(run);
  const needed = others();
  record(y, [x, ...needed], (dy) => {
    // Gradients that outlive the second run must not be made in it.
    for (const other of needed) addingGrad(other);
    const again = (dx: number) =>
      device.temporarily(() => {
        const input = x.reshape(x.shape);
        input.requiresGrad = x.requiresGrad;
        const output = body(input);
        // A view, since whoever called this discards the gradient itself.
        output.grad = dy.reshape(dy.shape);
        tape.reverse();
        if (input.grad !== null) x.kernels.copy(dx, input.grad.ptr, x.count);
      });
    if (x.requiresGrad) accumulate(x, again);
    else again(0);
  });
  return y;
}
