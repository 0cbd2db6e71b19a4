import type { Data2VecEncoder, Embedded, EncodeOptions } from "../data2vec/encoder.js";
import type { TaskHead } from "../modalities/modality.js";
import type { Module } from "../nn/module.js";
import { ParameterStore } from "../nn/parameter-store.js";
import type { Device } from "../tensor/device.js";
import type { Tensor } from "../tensor/tensor.js";

/** What a forward pass gives. */
export interface ModelOutputs {
  /** The encoder's output (batch, tokens, dim). */
  last: Tensor;
  /** Valid positions per sample, i32 (batch), or null for all. */
  lengths: Tensor | null;
  /** One vector per sample (batch, dim), or null without pooling. */
  pooled: Tensor | null;
  /** What the head gives, or null without a task. */
  outputs: Tensor | null;
}

/** How a model runs. */
export interface ForwardOptions extends EncodeOptions {
  /** Computes the encoder without recording it, so that only the head learns. */
  frozenEncoder?: boolean;
}

/** An encoder with what stands on top of it, in memory of their own. */
export class Model<I> implements Disposable {
  readonly store: ParameterStore;

  constructor(
    readonly device: Device,
    readonly encoder: Data2VecEncoder<I>,
    readonly head: TaskHead | null,
    { trainable }: { trainable: boolean },
  ) {
    const modules: Record<string, Module> = { "": encoder, ...head?.modules };
    this.store = new ParameterStore(device, modules, { trainable, label: "model" });
  }

  forward(input: I, options: ForwardOptions): ModelOutputs {
    const { device, encoder, head } = this;
    const encode = (): [Embedded, Tensor] => {
      const embedded = encoder.embed(input);
      return [embedded, encoder.encode(embedded, options)];
    };
    const [{ lengths }, last] = options.frozenEncoder ? device.noGrad(encode) : encode();
    const made = head === null ? null : head.forward(last, lengths, options.train);
    return { last, lengths, pooled: made?.pooled ?? null, outputs: made?.outputs ?? null };
  }

  /** Frees the parameters; the model must not be used afterwards. */
  release(): void {
    this.store.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** What a model's head gives; throws when the model has no task. */
export function taskOutputs<I>(model: Model<I>, input: I, options: ForwardOptions): { outputs: Tensor; lengths: Tensor | null } {
  const { outputs, lengths } = model.forward(input, options);
  if (outputs === null) throw new Error("this model has no head for a task\nfine-tune it first: data2vec finetune");
  return { outputs, lengths };
}
