import type { Device } from "../../tensor/device.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type FrameGeometry, frameCount } from "./frames.js";

/** Clips on the device, padded with zeros behind to the same length. */
export interface SpeechInput {
  /** (batch, samples), in the type of the activations */
  waveform: Tensor;
  /** Frames of each clip before its padding, i32 (batch); null when nothing is padded. */
  lengths: Tensor | null;
  /** 1 at the frames beyond, i32 (batch, frames); null together with `lengths`. */
  padding: Tensor | null;
  /** 1 at channels that are hidden in all frames of a clip, i32 (batch, dim); null for none. */
  channelMask: Tensor | null;
}

/** Clips in host memory. */
export interface HostClips {
  /** (batch, samples), row-major, with zeros behind each clip. */
  waveform: Float32Array;
  /** Samples of each clip without the padding; at least one frame. */
  samples: readonly number[];
  /** Hidden channels of each clip (dim), or null for none. */
  channelMasks?: readonly Uint8Array[] | null;
}

/** Copies clips to the device, into the innermost scope. */
export function uploadClips(device: Device, { waveform, samples, channelMasks = null }: HostClips, geometry: FrameGeometry): SpeechInput {
  const batch = samples.length;
  const longest = waveform.length / batch;
  const frames = frameCount(longest, geometry);
  const lengths = Int32Array.from(samples, (count) => frameCount(count, geometry));
  const padded = lengths.some((length) => length < frames);
  return {
    waveform: device.from(waveform, [batch, longest], "waveform", device.activation),
    lengths: padded ? device.fromIndices(lengths, [batch], "lengths") : null,
    padding: padded ? device.fromIndices(paddingOf(lengths, frames), [batch, frames], "padding") : null,
    channelMask:
      channelMasks === null
        ? null
        : device.fromIndices(Int32Array.from(channelMasks.flatMap((mask) => [...mask])), [batch, channelMasks[0].length], "channel mask"),
  };
}

function paddingOf(lengths: Int32Array, frames: number): Int32Array {
  const padding = new Int32Array(lengths.length * frames);
  for (const [row, length] of lengths.entries()) padding.fill(1, row * frames + length, (row + 1) * frames);
  return padding;
}
