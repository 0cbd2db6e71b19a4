import { Philox } from "../../backend/philox.js";
import type { LabelledTextBatch, LabelledTextLoader } from "../../data/text/example.js";
import type { TextBatch, TextLoader } from "../../data/text/loader.js";
import { maskTokens, type TextMasking } from "../../data/text/mask.js";
import type { Tokenizer } from "../../data/text/tokenizer.js";
import { padRows } from "../../data2vec/masked-rows.js";
import type { MaskedInput } from "../../data2vec/pretraining.js";
import type { Companions, EvaluationFeed, Expected, LabelledBatch, PretrainingFeed } from "../modality.js";
import type { PreparedBatch } from "../prepared-batch.js";
import { type PaddedTokens, type TextInput, uploadTokens } from "./input.js";

/** What masked batches are made with. */
export interface MaskedTextOptions {
  masking: TextMasking;
  tokenizer: Tokenizer;
  companions: Companions;
  seed: number;
  /** Called when the feed is closed. */
  close: () => Promise<void>;
}

/** Turns packed blocks of text into masked micro-batches; masks depend on (seed, epoch, block) alone. */
export class MaskedTextFeed implements PretrainingFeed<TextInput> {
  readonly size: number;
  readonly batchesPerEpoch: number;
  readonly companions: Companions;

  constructor(
    private readonly loader: TextLoader,
    private readonly options: MaskedTextOptions,
  ) {
    this.size = loader.source.size;
    this.batchesPerEpoch = loader.stepsPerEpoch;
    this.companions = options.companions;
  }

  async *batches(from: number): AsyncIterable<PreparedBatch<MaskedInput<TextInput>>> {
    for await (const batch of this.loader.from(from)) yield this.#prepare(batch);
  }

  close(): Promise<void> {
    return this.options.close();
  }

  #prepare(batch: TextBatch): PreparedBatch<MaskedInput<TextInput>> {
    const { tokenizer } = this.options;
    const { pad } = tokenizer.special;
    const [size] = batch.shape;
    const { masked, rows } = this.#mask(batch);
    const maskedRows = padRows(rows);
    return {
      size,
      weight: rows.length,
      names: batch.names,
      upload: (device) => ({
        input: uploadTokens(device, batch, pad),
        masked: uploadTokens(device, masked, pad),
        mask: null,
        maskedRows: device.fromIndices(maskedRows, [maskedRows.length], "masked rows"),
      }),
    };
  }

  /** The batch with masked tokens, and their places in (batch · time). */
  #mask(batch: TextBatch): { masked: PaddedTokens; rows: number[] } {
    const { masking, tokenizer, seed } = this.options;
    const [size, time] = batch.shape;
    const tokens = batch.tokens.slice();
    const rows: number[] = [];
    for (let sample = 0; sample < size; sample++) {
      const start = sample * time;
      const random = new Philox(seed, "mask", batch.epoch, batch.indices[sample]);
      const drawn = maskTokens(tokens.subarray(start, start + batch.lengths[sample]), masking, tokenizer, random);
      tokens.set(drawn.tokens, start);
      for (const position of drawn.positions) rows.push(start + position);
    }
    if (rows.length === 0) {
      // Short texts may stay whole, but a batch without a masked token teaches nothing and has no mean loss.
      const at = new Philox(seed, "maskOne", batch.epoch, batch.indices[0]).int(batch.lengths[0]);
      tokens[at] = tokenizer.special.mask;
      rows.push(at);
    }
    return { masked: { tokens, shape: batch.shape, lengths: batch.lengths }, rows };
  }
}

/** What labelled texts are to give: one of so many classes, or their score over `scale`. */
export type TextTargets = { kind: "classes"; classes: number } | { kind: "values"; scale: number };

/** Texts with their targets. */
export class LabelledTextFeed implements EvaluationFeed<TextInput> {
  readonly size: number;
  readonly batchesPerEpoch: number;

  constructor(
    private readonly loader: LabelledTextLoader,
    private readonly pad: number,
    private readonly targets: TextTargets,
  ) {
    this.size = loader.set.size;
    this.batchesPerEpoch = loader.stepsPerEpoch;
  }

  async *batches(from: number): AsyncIterable<LabelledBatch<TextInput>> {
    for await (const batch of this.loader.from(from)) {
      const [size] = batch.shape;
      const { values, width, expected } = this.#targetsOf(batch);
      yield {
        size,
        weight: size,
        names: batch.names,
        expected,
        upload: (device) => ({
          input: uploadTokens(device, batch, this.pad),
          mask: null,
          targets: device.from(values, [size, width], "targets"),
          targetLengths: null,
        }),
      };
    }
  }

  async close(): Promise<void> {}

  #targetsOf({ labels, scores }: LabelledTextBatch): { values: Float32Array; width: number; expected: Expected } {
    const { targets } = this;
    if (targets.kind === "values") {
      const values = scores.map((score) => score / targets.scale);
      return { values, width: 1, expected: { kind: "values", values } };
    }
    const values = new Float32Array(labels.length * targets.classes);
    for (const [row, label] of labels.entries()) values[row * targets.classes + label] = 1;
    return { values, width: targets.classes, expected: { kind: "classes", labels } };
  }
}
