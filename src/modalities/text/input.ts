/** Text as an encoder takes it, and how token ids in host memory become that. */
import type { TextBatch } from "../../data/text/loader.js";
import type { Device } from "../../tensor/device.js";
import type { Tensor } from "../../tensor/tensor.js";

/** A batch of token sequences, padded at their ends to the same length. */
export interface TextInput {
  /** Ids, i32 (batch, time). */
  tokens: Tensor;
  /** Rows of the table of positions, i32 (batch, time). */
  positions: Tensor;
  /** Kinds of the tokens, i32 (batch, time); null is kind 0 for all. */
  types: Tensor | null;
  /** Tokens of each sample without padding, i32 (batch); null attends to all. */
  lengths: Tensor | null;
  /** 1 where the embedding is to be zero, as fairseq does with padding, i32 (batch, time); null leaves it as it is, as Hugging Face does. */
  padding: Tensor | null;
}

/** Sequences of ids side by side in host memory, padded at the right. */
export type PaddedTokens = Pick<TextBatch, "tokens" | "shape" | "lengths">;

/**
 * Rows of the table of positions for ids (batch, time): the padding id plus the number of tokens up to and including this one; the padding
 * id where there is padding (fairseq's rule).
 */
export function positionIds(ids: Int32Array, time: number, paddingId: number): Int32Array {
  let count = 0;
  return ids.map((id, at) => {
    if (at % time === 0) count = 0;
    return id === paddingId ? paddingId : paddingId + ++count;
  });
}

/** Copies padded sequences to the device; nothing attends to padding, and its embeddings are zero. */
export function uploadTokens(device: Device, { tokens, shape, lengths }: PaddedTokens, paddingId: number): TextInput {
  const [batch, time] = shape;
  const isPadded = lengths.some((length) => length < time);
  const padding = () => Int32Array.from(tokens, (_, at) => (at % time < lengths[Math.floor(at / time)] ? 0 : 1));
  return {
    tokens: device.fromIndices(tokens, shape, "tokens"),
    positions: device.fromIndices(positionIds(tokens, time, paddingId), shape, "positions"),
    types: null,
    lengths: isPadded ? device.fromIndices(lengths, [batch], "lengths") : null,
    padding: isPadded ? device.fromIndices(padding(), shape, "padding") : null,
  };
}
