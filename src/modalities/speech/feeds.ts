import { Philox } from "../../backend/philox.js";
import type { AudioBatch, AudioLoader } from "../../data/audio/loader.js";
import { padRows } from "../../data2vec/masked-rows.js";
import type { MaskedInput } from "../../data2vec/pretraining.js";
import type { EvaluationFeed, Expected, Feed, LabelledBatch } from "../modality.js";
import type { PreparedBatch } from "../prepared-batch.js";
import { type FrameGeometry, frameCount } from "./frames.js";
import { type SpeechInput, uploadClips } from "./input.js";
import { equalizeMasks, type SpanMaskConfig, spanMask } from "./mask.js";

/** How a feed masks frames. */
export interface FrameMasking {
  geometry: FrameGeometry;
  mask: SpanMaskConfig;
  seed: number;
}

/** Masks of a batch, all with as many masked frames; they depend on (seed, epoch, clip), and their thinning on (seed, batch, row). */
function drawMasks(batch: AudioBatch, { geometry, mask, seed }: FrameMasking): { masks: Uint8Array[]; count: number } {
  const masks = Array.from(batch.lengths, (samples, row) =>
    spanMask(frameCount(samples, geometry), mask, new Philox(seed, "mask", batch.epoch, batch.indices[row])),
  );
  return { masks, count: equalizeMasks(masks, (row) => new Philox(seed, "mask thinning", batch.step, row)) };
}

/** Masks of clips, i32 (batch, frames), with zeros behind the shorter ones. */
function padMasks(masks: readonly Uint8Array[], frames: number): Int32Array {
  const padded = new Int32Array(masks.length * frames);
  for (const [row, mask] of masks.entries()) padded.set(mask, row * frames);
  return padded;
}

/** Turns loaded crops into masked micro-batches. */
export class MaskedClipFeed implements Feed<MaskedInput<SpeechInput>> {
  readonly size: number;
  readonly batchesPerEpoch: number;

  constructor(
    private readonly loader: AudioLoader,
    private readonly masking: FrameMasking,
  ) {
    this.size = loader.dataset.size;
    this.batchesPerEpoch = loader.stepsPerEpoch;
  }

  async *batches(from: number): AsyncIterable<PreparedBatch<MaskedInput<SpeechInput>>> {
    for await (const batch of this.loader.from(from)) yield this.#prepare(batch);
  }

  close(): Promise<void> {
    return this.loader.close();
  }

  #prepare(batch: AudioBatch): PreparedBatch<MaskedInput<SpeechInput>> {
    const { geometry } = this.masking;
    const [size, longest] = batch.shape;
    const frames = frameCount(longest, geometry);
    const { masks, count } = drawMasks(batch, this.masking);
    const mask = padMasks(masks, frames);
    const maskedRows = padRows(Int32Array.from(mask.keys()).filter((row) => mask[row] === 1));
    return {
      size,
      weight: size * count,
      names: batch.names,
      upload: (device) => {
        const input = uploadClips(device, { waveform: batch.waveform, samples: [...batch.lengths] }, geometry);
        return {
          input,
          masked: input,
          mask: device.fromIndices(mask, [size, frames], "mask"),
          maskedRows: device.fromIndices(maskedRows, [maskedRows.length], "masked rows"),
        };
      },
    };
  }
}

/** What a batch should give: for the loss, and for whoever judges. */
export interface ClipTargets {
  /** classify: (batch, classes); ctc: symbols, padded to the longest. */
  values: Float32Array | Int32Array;
  /** Columns of `values`. */
  width: number;
  /** ctc: symbols of each clip; null otherwise. */
  lengths: Int32Array | null;
  expected: Expected;
}

/** How a feed of labelled clips hides parts of them in training. */
export interface Augmentation {
  masking: FrameMasking;
  /** Spans of hidden channels, over `dim` of them. */
  channels: SpanMaskConfig;
  dim: number;
}

/** Whole clips, padded to the longest of their batch, with what they should give. */
export class LabelledClipFeed implements EvaluationFeed<SpeechInput> {
  readonly size: number;
  readonly batchesPerEpoch: number;

  /** @param augmentation null for clips as they are */
  constructor(
    private readonly loader: AudioLoader,
    private readonly geometry: FrameGeometry,
    private readonly targetsOf: (batch: AudioBatch) => ClipTargets,
    private readonly augmentation: Augmentation | null,
  ) {
    this.size = loader.dataset.size;
    this.batchesPerEpoch = loader.stepsPerEpoch;
  }

  async *batches(from: number): AsyncIterable<LabelledBatch<SpeechInput>> {
    for await (const batch of this.loader.from(from)) yield this.#prepare(batch);
  }

  close(): Promise<void> {
    return this.loader.close();
  }

  #prepare(batch: AudioBatch): LabelledBatch<SpeechInput> {
    const { geometry } = this;
    const [size, longest] = batch.shape;
    const frames = frameCount(longest, geometry);
    const { values, width, lengths, expected } = this.targetsOf(batch);
    const mask = this.#hidesFrames() ? padMasks(drawMasks(batch, this.augmentation!.masking).masks, frames) : null;
    const channelMasks = this.#channelMasks(batch);
    return {
      size,
      weight: size,
      names: batch.names,
      expected,
      upload: (device) => ({
        input: uploadClips(device, { waveform: batch.waveform, samples: [...batch.lengths], channelMasks }, geometry),
        mask: mask === null ? null : device.fromIndices(mask, [size, frames], "mask"),
        targets:
          values instanceof Float32Array
            ? device.from(values, [size, width], "targets")
            : device.fromIndices(values, [size, width], "targets"),
        targetLengths: lengths === null ? null : device.fromIndices(lengths, [size], "target lengths"),
      }),
    };
  }

  #hidesFrames(): boolean {
    return this.augmentation !== null && this.augmentation.masking.mask.probability > 0;
  }

  #channelMasks(batch: AudioBatch): Uint8Array[] | null {
    if (this.augmentation === null || this.augmentation.channels.probability === 0) return null;
    const { channels, dim, masking } = this.augmentation;
    const stream = (purpose: string, index: number, row: number) => new Philox(masking.seed, purpose, index, row);
    const masks = Array.from(batch.indices, (clip) => spanMask(dim, channels, stream("channel mask", batch.epoch, clip)));
    equalizeMasks(masks, (row) => stream("channel mask thinning", batch.step, row));
    return masks;
  }
}
