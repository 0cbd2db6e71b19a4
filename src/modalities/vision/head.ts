import { LayerNorm } from "../../nn/layer-norm.js";
import { Linear } from "../../nn/linear.js";
import { Module } from "../../nn/module.js";
import { gatherRows } from "../../ops/gather-rows.js";
import { meanPool } from "../../ops/mean-pool.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { HeadOutputs, TaskHead } from "../modality.js";

/** How an image becomes one vector: the normalised mean of its patches, the class token as it is, or not at all. */
export type Pooling = "mean" | "token" | "none";

/** The recipe starts the classifier close to zero (BEiT's init_scale). */
const HEAD_INIT = { kind: "normal", std: 0.02 * 0.001, clip: 2 } as const;

class Pooler extends Module {
  readonly norm: LayerNorm;

  constructor(dim: number, eps: number) {
    super();
    this.norm = this.child("norm", new LayerNorm(dim, eps));
  }
}

/** One vector per image and, if there are classes, a linear classifier (paper section 4.1). */
export class VisionHead implements TaskHead {
  readonly modules: Record<string, Module> = {};
  readonly #pooler: Pooler | null;
  readonly #classifier: Linear | null;

  constructor(
    { dim, layerNormEps }: { dim: number; layerNormEps: number },
    private readonly pooling: Pooling,
    classes: number | null,
  ) {
    if (classes !== null && pooling === "none") throw new Error("vision: a classifier needs pooling");
    this.#pooler = pooling === "mean" ? new Pooler(dim, layerNormEps) : null;
    this.#classifier = classes === null ? null : new Linear(dim, classes, HEAD_INIT);
    if (this.#pooler !== null) this.modules.pooler = this.#pooler;
    if (this.#classifier !== null) this.modules.classifier = this.#classifier;
  }

  forward(last: Tensor): HeadOutputs {
    const { device } = last;
    const pooled = device.within("pooler", () => this.#pool(last));
    if (this.#classifier === null || pooled === null) return { pooled, outputs: null };
    return { pooled, outputs: device.within("classifier", () => this.#classifier!.forward(pooled)) };
  }

  #pool(last: Tensor): Tensor | null {
    if (this.pooling === "none") return null;
    if (this.#pooler !== null) return this.#pooler.norm.forward(meanPool(last, 1));
    const [batch, tokens] = last.shape;
    const first = () => Int32Array.from({ length: batch }, (_, sample) => sample * tokens);
    return gatherRows(last, last.device.fixedIndices(`first of ${batch} x ${tokens} tokens`, [batch], first));
  }
}
