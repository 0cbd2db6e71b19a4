import { Philox } from "../../backend/philox.js";
import type { ImageBatch, ImageLoader } from "../../data/image/loader.js";
import type { MaskedInput } from "../../data2vec/pretraining.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { EvaluationFeed, Feed, LabelledBatch } from "../modality.js";
import type { PreparedBatch } from "../prepared-batch.js";
import { type BlockMaskConfig, blockMask } from "./mask.js";

/** Turns loaded images into masked micro-batches; masks depend on (seed, epoch, image) alone. */
export class MaskedImageFeed implements Feed<MaskedInput<Tensor>> {
  readonly size: number;
  readonly batchesPerEpoch: number;

  constructor(
    private readonly loader: ImageLoader,
    private readonly mask: BlockMaskConfig,
    private readonly seed: number,
  ) {
    this.size = loader.dataset.size;
    this.batchesPerEpoch = loader.stepsPerEpoch;
  }

  async *batches(from: number): AsyncIterable<PreparedBatch<MaskedInput<Tensor>>> {
    for await (const batch of this.loader.from(from)) yield this.#prepare(batch);
  }

  close(): Promise<void> {
    return this.loader.close();
  }

  #prepare(batch: ImageBatch): PreparedBatch<MaskedInput<Tensor>> {
    const { side, target } = this.mask;
    const size = batch.labels.length;
    const patches = side * side;
    const mask = new Int32Array(size * patches);
    // A fixed number of rows per image, the rest padding, so that every step has the same shapes.
    const maskedRows = new Int32Array(size * target).fill(-1);
    let weight = 0;
    for (let image = 0; image < size; image++) {
      const drawn = blockMask(this.mask, new Philox(this.seed, "mask", batch.epoch, batch.indices[image]));
      mask.set(drawn, image * patches);
      let row = image * target;
      for (let patch = 0; patch < patches; patch++) {
        if (drawn[patch] === 1) maskedRows[row++] = image * (patches + 1) + 1 + patch;
      }
      weight += row - image * target;
    }
    return {
      size,
      weight,
      names: batch.names,
      upload: (device) => {
        const input = device.from(batch.pixels, batch.shape, "images");
        return {
          input,
          masked: input,
          mask: device.fromIndices(mask, [size, patches], "mask"),
          maskedRows: device.fromIndices(maskedRows, [maskedRows.length], "masked rows"),
        };
      },
    };
  }
}

/** Images with soft targets. */
export class LabelledImageFeed implements EvaluationFeed<Tensor> {
  readonly size: number;
  readonly batchesPerEpoch: number;

  /** @param soften turns a batch's classes into soft targets (batch, classes); it may mix the batch's pixels in place */
  constructor(
    private readonly loader: ImageLoader,
    private readonly classes: number,
    private readonly soften: (batch: ImageBatch, classes: number) => Float32Array,
  ) {
    this.size = loader.dataset.size;
    this.batchesPerEpoch = loader.stepsPerEpoch;
  }

  async *batches(from: number): AsyncIterable<LabelledBatch<Tensor>> {
    for await (const batch of this.loader.from(from)) {
      const targets = this.soften(batch, this.classes);
      const size = batch.labels.length;
      yield {
        size,
        weight: size,
        names: batch.names,
        expected: { kind: "classes", labels: batch.labels },
        upload: (device) => ({
          input: device.from(batch.pixels, batch.shape, "images"),
          mask: null,
          targets: device.from(targets, [size, this.classes], "targets"),
          targetLengths: null,
        }),
      };
    }
  }

  close(): Promise<void> {
    return this.loader.close();
  }
}
