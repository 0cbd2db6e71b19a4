import type { RegressionHead } from "../../data2vec/pretraining.js";
import { Linear } from "../../nn/linear.js";
import { Module } from "../../nn/module.js";
import type { Init } from "../../nn/parameter.js";
import { dropout } from "../../ops/dropout.js";
import { gatherRows } from "../../ops/gather-rows.js";
import { linearGelu } from "../../ops/linear-gelu.js";
import { tanhActivation } from "../../ops/tanh-activation.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { HeadOutputs, TaskHead } from "../modality.js";

/** Random sites of the dropouts around the classifier's hidden layer; those of the blocks start at 16. */
const SITES = { token: 2, hidden: 3 } as const;

/** The prediction head of two layers: dim to 2 dim, GELU, back to dim. */
export class TwoLayerHead extends Module implements RegressionHead {
  readonly up: Linear;
  readonly down: Linear;

  constructor(dim: number, init: Init) {
    super();
    this.up = this.child("up", new Linear(dim, 2 * dim, init));
    this.down = this.child("down", new Linear(2 * dim, dim, init));
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(linearGelu(x, this.up.weight.value, this.up.bias.value));
  }
}

/** tanh of a linear map of the first token: one vector per text, as in BERT's pooler. */
export class TextPooler extends Module implements TaskHead {
  readonly modules: Record<string, Module>;
  readonly dense: Linear;

  constructor(dim: number, initStd: number) {
    super();
    this.dense = this.child("dense", new Linear(dim, dim, { kind: "normal", std: initStd }));
    this.modules = { pooler: this };
  }

  forward(last: Tensor): HeadOutputs {
    const pooled = last.device.within("pooler", () => tanhActivation(this.dense.forward(firstToken(last))));
    return { pooled, outputs: null };
  }
}

/** Shape of a {@link TextClassifier}. */
export interface TextClassifierConfig {
  dim: number;
  initStd: number;
  /** Before the hidden layer and after it. */
  classifierDropout: number;
}

/** RoBERTa's head for one answer per text: a hidden layer with tanh over the first token, then logits or a value (paper section 4.3). */
export class TextClassifier extends Module implements TaskHead {
  readonly modules: Record<string, Module>;
  readonly dense: Linear;
  readonly output: Linear;

  constructor(
    private readonly config: TextClassifierConfig,
    outputs: number,
  ) {
    super();
    const init: Init = { kind: "normal", std: config.initStd };
    this.dense = this.child("dense", new Linear(config.dim, config.dim, init));
    this.output = this.child("output", new Linear(config.dim, outputs, init));
    this.modules = { classifier: this };
  }

  forward(last: Tensor, _lengths: Tensor | null, train: boolean): HeadOutputs {
    const rate = train ? this.config.classifierDropout : 0;
    return last.device.within("classifier", () => {
      const hidden = tanhActivation(this.dense.forward(dropout(firstToken(last), rate, SITES.token)));
      return { pooled: null, outputs: this.output.forward(dropout(hidden, rate, SITES.hidden)) };
    });
  }
}

/** The first token of each sample of (batch, tokens, dim), as (batch, dim). */
function firstToken(last: Tensor): Tensor {
  const [batch, tokens] = last.shape;
  const first = () => Int32Array.from({ length: batch }, (_, sample) => sample * tokens);
  return gatherRows(last, last.device.fixedIndices(`first of ${batch} x ${tokens} tokens`, [batch], first));
}
