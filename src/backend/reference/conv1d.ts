import type { Pointer } from "../kernels.js";
import { type Memory, optionalFloats } from "./memory.js";

/** y[b, t, o] = bias[o] + sum over tap, c of x[b, t · stride - padding + tap, c of o's group] · weight[o, tap, c], x zero outside. */
export function conv1d(
  memory: Memory,
  y: Pointer,
  x: Pointer,
  weight: Pointer,
  bias: Pointer,
  batch: number,
  inTime: number,
  inChannels: number,
  outChannels: number,
  kernel: number,
  stride: number,
  padding: number,
  groups: number,
): void {
  const sizes = { batch, inTime, inChannels, outChannels, kernel, stride, padding, groups };
  const outTime = outTimeOf(sizes);
  const ys = memory.floats(y, batch * outTime * outChannels);
  const xs = memory.floats(x, batch * inTime * inChannels);
  const weights = memory.floats(weight, (outChannels * kernel * inChannels) / groups);
  const biases = optionalFloats(memory, bias, outChannels);
  const sums = new Float64Array(ys.length);
  if (biases) for (let i = 0; i < sums.length; i++) sums[i] = biases[i % outChannels];
  eachTap(sizes, (yAt, xAt, weightAt, channels) => {
    for (let c = 0; c < channels; c++) sums[yAt] += xs[xAt + c] * weights[weightAt + c];
  });
  ys.set(sums);
}

/** dx overwrite, 0 where no window reaches */
export function conv1dGradInput(
  memory: Memory,
  dx: Pointer,
  dy: Pointer,
  weight: Pointer,
  batch: number,
  inTime: number,
  inChannels: number,
  outChannels: number,
  kernel: number,
  stride: number,
  padding: number,
  groups: number,
): void {
  const sizes = { batch, inTime, inChannels, outChannels, kernel, stride, padding, groups };
  const dxs = memory.floats(dx, batch * inTime * inChannels);
  const dys = memory.floats(dy, batch * outTimeOf(sizes) * outChannels);
  const weights = memory.floats(weight, (outChannels * kernel * inChannels) / groups);
  const sums = new Float64Array(dxs.length);
  eachTap(sizes, (yAt, xAt, weightAt, channels) => {
    for (let c = 0; c < channels; c++) sums[xAt + c] += dys[yAt] * weights[weightAt + c];
  });
  dxs.set(sums);
}

/** dWeight and dBias add */
export function conv1dGradWeight(
  memory: Memory,
  dWeight: Pointer,
  dBias: Pointer,
  dy: Pointer,
  x: Pointer,
  batch: number,
  inTime: number,
  inChannels: number,
  outChannels: number,
  kernel: number,
  stride: number,
  padding: number,
  groups: number,
): void {
  const sizes = { batch, inTime, inChannels, outChannels, kernel, stride, padding, groups };
  const dWeights = memory.floats(dWeight, (outChannels * kernel * inChannels) / groups);
  const dBiases = optionalFloats(memory, dBias, outChannels);
  const dys = memory.floats(dy, batch * outTimeOf(sizes) * outChannels);
  const xs = memory.floats(x, batch * inTime * inChannels);
  const sums = new Float64Array(dWeights.length);
  eachTap(sizes, (yAt, xAt, weightAt, channels) => {
    for (let c = 0; c < channels; c++) sums[weightAt + c] += dys[yAt] * xs[xAt + c];
  });
  for (let i = 0; i < sums.length; i++) dWeights[i] += sums[i];
  if (!dBiases) return;
  const biasSums = new Float64Array(outChannels);
  for (let i = 0; i < dys.length; i++) biasSums[i % outChannels] += dys[i];
  for (let o = 0; o < outChannels; o++) dBiases[o] += biasSums[o];
}

interface Sizes {
  batch: number;
  inTime: number;
  inChannels: number;
  outChannels: number;
  kernel: number;
  stride: number;
  padding: number;
  groups: number;
}

function outTimeOf({ inTime, kernel, stride, padding }: Sizes): number {
  return Math.max(0, Math.floor((inTime + 2 * padding - kernel) / stride) + 1);
}

/** Visits every pair of an output and a tap inside the sample: the output's index, and where the channels of its group start. */
function eachTap(sizes: Sizes, visit: (yAt: number, xAt: number, weightAt: number, channels: number) => void): void {
  const { batch, inTime, inChannels, outChannels, kernel, stride, padding, groups } = sizes;
  const channels = inChannels / groups;
  const outTime = outTimeOf(sizes);
  for (let row = 0; row < batch * outTime; row++) {
    const sample = Math.floor(row / outTime);
    for (let o = 0; o < outChannels; o++) {
      const group = Math.floor(o / (outChannels / groups));
      for (let tap = 0; tap < kernel; tap++) {
        const time = (row % outTime) * stride - padding + tap;
        if (time < 0 || time >= inTime) continue;
        visit(row * outChannels + o, (sample * inTime + time) * inChannels + group * channels, (o * kernel + tap) * channels, channels);
      }
    }
  }
}
