import { CheckpointError } from "../../checkpoint/error.js";
import { type HostTensor, toFloat32 } from "../../checkpoint/safetensors.js";
import { ShapeError } from "../../tensor/shape.js";
import type { RawInput } from "../modality.js";
import type { PreparedBatch } from "../prepared-batch.js";
import type { SpeechConfig } from "./config.js";
import { frameCount } from "./frames.js";
import { type SpeechInput, uploadClips } from "./input.js";

const NAMES = ["input_values", "attention_mask", "mask_time_indices"];

/**
 * `input_values` (batch, samples) and, if there, `attention_mask` (batch, samples), 1 at samples and 0 at the padding behind them, and
 * `mask_time_indices` (batch, frames), true at frames to hide.
 */
export function rawClips(tensors: ReadonlyMap<string, HostTensor>, { model }: SpeechConfig): PreparedBatch<RawInput<SpeechInput>> {
  for (const name of tensors.keys()) {
    if (!NAMES.includes(name)) throw new CheckpointError(`${name}: expected ${NAMES.join(", ")}`);
  }
  const values = tensors.get("input_values");
  if (values === undefined) throw new CheckpointError("input_values is missing");
  if (values.shape.length !== 2) throw new ShapeError(`input_values: expected [batch,samples], got [${values.shape.join(",")}]`);
  const [batch, length] = values.shape;
  const frames = frameCount(length, model);
  const attention = tensors.get("attention_mask");
  const hidden = tensors.get("mask_time_indices");
  const samples = attention === undefined ? Array<number>(batch).fill(length) : validSamples(attention, batch, length);
  for (const [row, count] of samples.entries()) {
    if (frameCount(count, model) === 0) throw new ShapeError(`input_values: clip ${row} has ${count} samples, fewer than a frame needs`);
  }
  const mask = hidden === undefined ? null : flags("mask_time_indices", hidden, [batch, frames]);
  const waveform = toFloat32(values, "input_values");
  return {
    size: batch,
    weight: batch,
    names: Array.from({ length: batch }, (_, i) => `input_values[${i}]`),
    upload: (device) => ({
      input: uploadClips(device, { waveform, samples }, model),
      mask: mask === null ? null : device.fromIndices(mask, [batch, frames], "mask"),
    }),
  };
}

/** Samples of each clip before its padding. */
function validSamples(attention: HostTensor, batch: number, length: number): number[] {
  const mask = flags("attention_mask", attention, [batch, length]);
  return Array.from({ length: batch }, (_, row) => {
    const valid = mask.subarray(row * length, (row + 1) * length);
    const count = valid.reduce((sum, flag) => sum + flag, 0);
    if (valid.subarray(0, count).includes(0)) {
      throw new CheckpointError(`attention_mask: clip ${row} has padding before its end; expected all padding behind the clip`);
    }
    return count;
  });
}

/** A tensor of booleans or integers as 0 and 1. */
function flags(name: string, { data, shape }: HostTensor, expected: readonly number[]): Int32Array {
  if (shape.length !== expected.length || expected.some((length, axis) => length !== shape[axis])) {
    throw new ShapeError(`${name}: expected [${expected.join(",")}], got [${shape.join(",")}]`);
  }
  return Int32Array.from(data as ArrayLike<number | bigint>, (value) => (Number(value) === 0 ? 0 : 1));
}
