/** Raw inputs of a text model, under Hugging Face's names. */
import { CheckpointError } from "../../checkpoint/error.js";
import type { HostTensor } from "../../checkpoint/safetensors.js";
import { ShapeError } from "../../tensor/shape.js";
import type { RawInput } from "../modality.js";
import type { PreparedBatch } from "../prepared-batch.js";
import type { TextArchitecture, TextConfig } from "./config.js";
import { positionIds, type TextInput } from "./input.js";

const NAMES = ["input_ids", "attention_mask", "token_type_ids"];

/**
 * `input_ids` (batch, time) and, if there, `attention_mask` and `token_type_ids` of the same shape. Without an attention mask the model
 * attends to everything, padding included, as in Hugging Face. Padding must be at the right.
 */
export function rawText(tensors: ReadonlyMap<string, HostTensor>, { model }: TextConfig): PreparedBatch<RawInput<TextInput>> {
  for (const name of tensors.keys()) {
    if (!NAMES.includes(name)) throw new CheckpointError(`${name}: expected ${NAMES.join(", ")}`);
  }
  const given = tensors.get("input_ids");
  if (given === undefined) throw new CheckpointError("input_ids is missing");
  if (given.shape.length !== 2 || given.shape.includes(0)) {
    throw new ShapeError(`input_ids: expected [batch,time], got [${given.shape.join(",")}]`);
  }
  const [batch, time] = given.shape;
  const integers = (name: string, limit: number, kind: string): Int32Array | null => {
    const tensor = tensors.get(name);
    if (tensor === undefined) return null;
    if (tensor.shape.join() !== given.shape.join()) {
      throw new ShapeError(`${name}: expected [${given.shape.join(",")}], got [${tensor.shape.join(",")}]`);
    }
    if (tensor.dtype === "F16" || tensor.dtype === "BF16" || tensor.dtype.startsWith("F8")) {
      throw new CheckpointError(`${name}: expected whole numbers, got ${tensor.dtype}`);
    }
    return Int32Array.from(tensor.data as ArrayLike<number | bigint>, (value, at) => {
      const number = Number(value);
      if (Number.isInteger(number) && number >= 0 && number < limit) return number;
      throw new CheckpointError(`${name}[${Math.floor(at / time)},${at % time}]: expected ${kind} below ${limit}, got ${value}`);
    });
  };

  const tokens = integers("input_ids", model.vocabSize, "a token of the vocabulary,")!;
  const types = integers("token_type_ids", Math.max(1, model.typeVocabSize), "a token type");
  const lengths = lengthsOf(integers("attention_mask", 2, "0 or 1,"), batch, time);
  const positions = positionIds(tokens, time, model.paddingId);
  expectRoom(positions, time, model);
  return {
    size: batch,
    weight: batch,
    names: Array.from({ length: batch }, (_, i) => `input_ids[${i}]`),
    upload: (device) => ({
      input: {
        tokens: device.fromIndices(tokens, [batch, time], "tokens"),
        positions: device.fromIndices(positions, [batch, time], "positions"),
        types: types === null || model.typeVocabSize === 0 ? null : device.fromIndices(types, [batch, time], "types"),
        lengths: lengths === null ? null : device.fromIndices(lengths, [batch], "lengths"),
        padding: null,
      },
      mask: null,
    }),
  };
}

/** Tokens before the padding of each row; null where nothing is masked. */
function lengthsOf(mask: Int32Array | null, batch: number, time: number): Int32Array | null {
  if (mask === null) return null;
  const lengths = Int32Array.from({ length: batch }, (_, row) => {
    const own = mask.subarray(row * time, (row + 1) * time);
    const end = own.indexOf(0);
    const length = end < 0 ? time : end;
    if (length > 0 && !own.subarray(length).includes(1)) return length;
    throw new CheckpointError(
      `attention_mask[${row}]: expected ones, then zeros, got a 1 behind a 0, or no 1\npad at the right: padding_side="right"`,
    );
  });
  return lengths.some((length) => length < time) ? lengths : null;
}

function expectRoom(positions: Int32Array, time: number, { maxPositions, paddingId }: TextArchitecture): void {
  const at = positions.findIndex((position) => position > maxPositions + paddingId);
  if (at < 0) return;
  throw new CheckpointError(
    `input_ids[${Math.floor(at / time)}]: expected at most ${maxPositions} tokens, which the model has positions for, got more\ncut the text`,
  );
}
