import type { Module } from "../nn/module.js";
import { ParameterStore } from "../nn/parameter-store.js";
import { averageLayer, type Normalization } from "../ops/average-layer.js";
import { gatherRows } from "../ops/gather-rows.js";
import { regression } from "../ops/regression.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Data2VecEncoder, Embedded } from "./encoder.js";
import { EmaTeacher } from "./teacher.js";

/** What the student regresses, and how far off it is (paper section 3.3). */
export interface TargetConfig {
  /** Number of top layers that are averaged, K. */
  averageTopKLayers: number;
  /** Which output of a block: the block's own, or what its feed-forward network adds. */
  targetLayer: "block" | "ffn";
  /** Normalisation of each layer before the average, and of the average. */
  targetNormalization: Normalization;
  finalTargetNormalization: Normalization;
  /** 0: squared error; otherwise the threshold of smooth-L1. */
  lossBeta: number;
  /** Factor on the sum over channels; 1 / dim makes the loss a mean. */
  lossScale: number;
}

/** One micro-batch on the device. */
export interface MaskedInput<I> {
  /** The whole input, which the teacher sees. */
  input: I;
  /** What the student sees: the same, unless masking replaces parts of the input itself. */
  masked: I;
  /** Which positions the student doesn't see, i32 (batch, positions); null where `masked` tells already. */
  mask: Tensor | null;
  /** Rows of the masked positions in (batch · tokens), i32, extra tokens counted; negative entries are padding. */
  maskedRows: Tensor;
}

/** The prediction head: maps the student's output at masked positions (rows, dim) to targets (rows, dim). */
export interface RegressionHead extends Module {
  forward(x: Tensor): Tensor;
}

/**
 * data2vec 1.0: the student sees a masked input and predicts, at the masked positions, the average of the normalised top layers of a teacher
 * that sees all of it (paper section 3).
 */
export class Data2VecPretraining<I> implements Disposable {
  readonly student: Data2VecEncoder<I>;
  readonly teacher: Data2VecEncoder<I>;
  readonly head: RegressionHead;
  /** Parameters of student and head (as `head.*`). */
  readonly store: ParameterStore;
  readonly ema: EmaTeacher;

  /** @param createEncoder makes the student's network, and the teacher's, which may lack the first part */
  constructor(
    readonly device: Device,
    createEncoder: (role: "student" | "teacher") => Data2VecEncoder<I>,
    createHead: (dim: number) => RegressionHead,
    private readonly config: TargetConfig,
  ) {
    this.student = createEncoder("student");
    this.teacher = createEncoder("teacher");
    this.head = createHead(this.student.dim);
    const { averageTopKLayers } = config;
    if (averageTopKLayers > this.student.depth) {
      throw new Error(`model.averageTopKLayers is ${averageTopKLayers}, but the model has ${this.student.depth} layers`);
    }
    [this.store, this.ema] = device.allocating(() => {
      const store = new ParameterStore(device, { "": this.student, head: this.head }, { trainable: true, label: "student" });
      const teacher = new ParameterStore(device, { "": this.teacher }, { trainable: false, label: "teacher" });
      return [store, new EmaTeacher(teacher, store, this.teacher.copied)];
    });
  }

  /** Draws the student anew and copies it to the teacher. */
  initialize(seed: number): void {
    this.store.initialize(seed);
    this.ema.copyStudent();
  }

  /** The teacher's targets at every position (batch, tokens, dim); rows of extra tokens have no meaning. */
  targets(batch: MaskedInput<I>): Tensor {
    return this.#targets(this.#seenByTeacher(batch, null));
  }

  /** The student's predictions at the masked positions (rows, dim). */
  predictions(batch: MaskedInput<I>): Tensor {
    return this.#predictions(this.#embedStudent(batch.masked), batch);
  }

  /** Loss and deviations, see {@link regression}; the device scalar `normalizer` holds the number of masked positions. */
  loss(batch: MaskedInput<I>): Tensor {
    const embedded = this.#embedStudent(batch.masked);
    const target = gatherRows(this.#targets(this.#seenByTeacher(batch, embedded)), batch.maskedRows);
    const { lossBeta, lossScale } = this.config;
    return regression(this.#predictions(embedded, batch), target, batch.maskedRows, { beta: lossBeta, scale: lossScale });
  }

  /** Frees student, head and teacher. */
  release(): void {
    this.store.release();
    this.ema.teacher.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #embedStudent(input: I): Embedded {
    return this.device.within("student", () => this.student.embed(input));
  }

  /** What the teacher's Transformer starts from; `embedded` is what the student made of the masked input, if that is there. */
  #seenByTeacher({ input, masked }: MaskedInput<I>, embedded: Embedded | null): Embedded {
    if (!this.teacher.embeds && embedded !== null && input === masked) return embedded;
    const source = this.teacher.embeds ? this.teacher : this.student;
    return this.device.noGrad(() => this.device.within("teacher", () => source.embed(input)));
  }

  #targets(embedded: Embedded): Tensor {
    const { device, teacher, config } = this;
    const { averageTopKLayers, targetLayer, targetNormalization, finalTargetNormalization } = config;
    const first = teacher.extraTokens;
    return device.noGrad(() =>
      device.within("teacher", () => {
        const [batch, positions, dim] = embedded.features.shape;
        const average = device.empty([batch, first + positions, dim], "layer average");
        const lowest = teacher.depth - averageTopKLayers;
        device.scoped(() =>
          teacher.encode(embedded, {
            mask: null,
            train: false,
            onLayer: (layer, outputs) => {
              if (layer < lowest) return;
              const options = { normalization: targetNormalization, scale: 1 / averageTopKLayers, first, accumulate: layer > lowest };
              averageLayer(average, targetLayer === "block" ? outputs.block : outputs.ffn(), options);
            },
          }),
        );
        if (finalTargetNormalization === "none") return average;
        const target = device.empty(average.shape, "target");
        averageLayer(target, average, { normalization: finalTargetNormalization, scale: 1, first, accumulate: false });
        return target;
      }),
    );
  }

  #predictions(embedded: Embedded, { mask, maskedRows }: MaskedInput<I>): Tensor {
    return this.device.within("student", () => {
      const encoded = this.student.encode(embedded, { mask, train: true });
      return this.head.forward(gatherRows(encoded, maskedRows));
    });
  }
}
