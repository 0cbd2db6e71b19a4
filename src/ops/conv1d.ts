import { expectShape, formatShape, ShapeError } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** How a convolution moves over time. */
export interface Conv1dOptions {
  /** Positions from one window to the next; default 1. */
  stride?: number;
  /** Zeros put before and behind each sample; default 0. */
  padding?: number;
  /** Parts of the channels that are convolved separately; default 1. */
  groups?: number;
}

/**
 * Convolution over time, channels last: x (batch, inTime, inChannels), weight (outChannels, kernel, inChannels / groups), bias (outChannels)
 * or null, y (batch, outTime, outChannels) with outTime = floor((inTime + 2 · padding - kernel) / stride) + 1. Throws {@link ShapeError}
 * where sizes don't fit, and where the kernel is longer than the padded input.
 */
export function conv1d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  { stride = 1, padding = 0, groups = 1 }: Conv1dOptions = {},
): Tensor {
  const { kernels } = x;
  if (weight.shape.length !== 3)
    throw new ShapeError(`conv1d: weight: expected 3 axes (out, kernel, in / groups), got ${formatShape(weight.shape)}`);
  const [outChannels, kernel, channels] = weight.shape;
  const [batch, inTime] = x.shape;
  const inChannels = channels * groups;
  expectInteger("stride", stride, 1);
  expectInteger("padding", padding, 0);
  expectInteger("groups", groups, 1);
  if (outChannels % groups !== 0)
    throw new ShapeError(`conv1d: groups: expected a divisor of ${outChannels} output channels, got ${groups}`);
  expectShape("conv1d: x", x.shape, [batch, inTime, inChannels]);
  if (bias !== null) expectShape("conv1d: bias", bias.shape, [outChannels]);
  expectType("conv1d: weight", weight, "f32");
  expectType("conv1d: bias", bias, "f32");
  const room = inTime + 2 * padding - kernel;
  if (room < 0) {
    const expected = `at least ${kernel} positions for the kernel`;
    throw new ShapeError(`conv1d: x: expected ${expected}, got ${inTime} and ${2 * padding} of padding\ngive longer input`);
  }

  const outTime = Math.floor(room / stride) + 1;
  const y = x.device.empty([batch, outTime, outChannels], "conv1d", x.dtype);
  const sizes = [batch, inTime, inChannels, outChannels, kernel, stride, padding, groups] as const;
  kernels.conv1d(y.ptr, x.ptr, weight.ptr, bias?.ptr ?? 0, ...sizes);

  record(y, [x, weight, bias], (dy) => {
    if (weight.requiresGrad) kernels.conv1dGradWeight(addingGrad(weight), addingGrad(bias), dy.ptr, x.ptr, ...sizes);
    accumulate(x, (dx) => kernels.conv1dGradInput(dx, dy.ptr, weight.ptr, ...sizes));
  });
  return y;
}

function expectInteger(name: string, value: number, low: number): void {
  if (!Number.isInteger(value) || value < low) throw new ShapeError(`conv1d: ${name}: expected an integer from ${low} up, got ${value}`);
}
