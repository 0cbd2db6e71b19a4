import type { ParameterStore } from "../nn/parameter-store.js";
import type { Tensor } from "../tensor/tensor.js";

/** AdamW as the published recipes use it. */
export interface OptimizerConfig {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Whether epsilon is added to the bias-corrected root of the second moment (PyTorch, the default), or to the root as it is (fairseq). */
  epsilonPlacement?: "corrected" | "uncorrected";
  /** Decoupled weight decay. */
  weightDecay: number;
  /** What it acts on: matrices only (BEiT's parameter groups, the default), or everything (fairseq's data2vec 1.0). */
  weightDecayOn?: "matrices" | "all";
  /** Largest norm of all gradients; 0 for no limit. */
  clipNorm: number;
  /** Factor on the learning rate per layer below the head (1 for none): layer l of L gets layerDecay^(L + 1 - l). */
  layerDecay: number;
}

/**
 * AdamW with gradient clipping over the flat memory of a store. An update whose gradient norm isn't finite changes nothing, so that the
 * parameters stay good.
 */
export class AdamW implements Disposable {
  /** First and second moments, laid out as the store's values. */
  readonly m: Tensor<"f32">;
  readonly v: Tensor<"f32">;
  /** Squared norm of the gradients at the last step (1). */
  readonly squaredNorm: Tensor<"f32">;
  readonly #clipScale: Tensor<"f32">;
  readonly #gradients: Tensor<"f32">;

  /** @param depth number of Transformer blocks, for layer-wise decay */
  constructor(
    readonly store: ParameterStore,
    private readonly config: OptimizerConfig,
    private readonly depth: number,
  ) {
    if (store.gradients === null) throw new Error("AdamW: the store was made without gradients");
    const { device } = store;
    this.#gradients = store.gradients;
    [this.m, this.v, this.squaredNorm, this.#clipScale] = device.allocating(() => [
      device.state([store.count], "first moments"),
      device.state([store.count], "second moments"),
      device.state([1], "gradient norm"),
      device.state([1], "clip scale"),
    ]);
    device.kernels.fill(this.m.ptr, store.count, 0);
    device.kernels.fill(this.v.ptr, store.count, 0);
  }

  /** Sets what the next {@link step} reads on the device; `update` counts from 1. */
  prepare(update: number, learningRate: number): void {
    const { beta1, beta2, epsilon, epsilonPlacement } = this.config;
    const stepSize = learningRate / (1 - beta1 ** update);
    const rsqrtCorrection = 1 / Math.sqrt(1 - beta2 ** update);
    // sqrt(v) + epsilon, then the correction, is the corrected root plus a corrected epsilon.
    const added = epsilonPlacement === "uncorrected" ? epsilon * rsqrtCorrection : epsilon;
    this.store.device.setScalars({ learningRate, stepSize, rsqrtCorrection, epsilon: added });
  }

  /** One update from the gradients in the store, of the parts that `trains` says. */
  step(trains: (part: string) => boolean = () => true): void {
    const { store, m, v, squaredNorm, depth } = this;
    const { kernels } = store.device;
    const { beta1, beta2, weightDecay, weightDecayOn, clipNorm, layerDecay } = this.config;
    store.clearFrozen();
    kernels.squaredNorm(squaredNorm.ptr, this.#gradients.ptr, store.count);
    kernels.clipScale(this.#clipScale.ptr, squaredNorm.ptr, clipNorm);
    const scalars = store.device.scalar("learningRate");
    for (const { offset, count, layer, decays, part } of store.runs) {
      if (!trains(part)) continue;
      const at = offset * 4;
      const lrScale = layerDecay ** (depth + 1 - Math.min(layer, depth + 1));
      kernels.adamw(
        store.values.ptr + at,
        m.ptr + at,
        v.ptr + at,
        this.#gradients.ptr + at,
        this.#clipScale.ptr,
        scalars,
        count,
        lrScale,
        decays || weightDecayOn === "all" ? weightDecay : 0,
        beta1,
        beta2,
      );
    }
  }

  /** Frees the moments; the optimizer must not be used afterwards. */
  release(): void {
    for (const tensor of [this.m, this.v, this.squaredNorm, this.#clipScale]) this.store.device.release(tensor);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
