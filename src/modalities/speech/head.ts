import { Linear } from "../../nn/linear.js";
import type { Module } from "../../nn/module.js";
import type { Init } from "../../nn/parameter.js";
import { dropout } from "../../ops/dropout.js";
import { meanPool } from "../../ops/mean-pool.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { HeadOutputs, TaskHead } from "../modality.js";

/** Random site of the dropout before the layer of the symbols; the encoder has those before it. */
const FINAL_SITE = 3;

/** One class a clip: the mean of projected frames, padding left out, and a linear classifier. */
export class ClassificationHead implements TaskHead {
  readonly modules: Readonly<Record<string, Module>>;
  readonly #projector: Linear;
  readonly #classifier: Linear;

  constructor({ dim, classifierDim, initStd }: { dim: number; classifierDim: number; initStd: number }, classes: number) {
    const init: Init = { kind: "normal", std: initStd };
    this.#projector = new Linear(dim, classifierDim, init);
    this.#classifier = new Linear(classifierDim, classes, init);
    this.modules = { projector: this.#projector, classifier: this.#classifier };
  }

  forward(last: Tensor, lengths: Tensor | null): HeadOutputs {
    const { device } = last;
    const pooled = device.within("projector", () => meanPool(this.#projector.forward(last), 0, lengths));
    return { pooled, outputs: device.within("classifier", () => this.#classifier.forward(pooled)) };
  }
}

/** One symbol a frame, read by connectionist temporal classification. */
export class CtcHead implements TaskHead {
  readonly modules: Readonly<Record<string, Module>>;
  readonly #symbols: Linear;

  constructor(
    private readonly config: { dim: number; finalDropout: number },
    symbols: number,
  ) {
    // Xavier's uniform, as in fairseq.
    const bound = Math.sqrt(6 / (config.dim + symbols));
    this.#symbols = new Linear(config.dim, symbols, { kind: "uniform", low: -bound, high: bound });
    this.modules = { symbols: this.#symbols };
  }

  forward(last: Tensor, _lengths: Tensor | null, train: boolean): HeadOutputs {
    const dropped = dropout(last, train ? this.config.finalDropout : 0, FINAL_SITE);
    return { pooled: null, outputs: last.device.within("symbols", () => this.#symbols.forward(dropped)) };
  }
}
