import { Conv1d } from "../../nn/conv1d.js";
import { Module } from "../../nn/module.js";
import type { Init } from "../../nn/parameter.js";
import { layerNormGelu } from "../../ops/layer-norm-gelu.js";
import { maskRows } from "../../ops/mask-rows.js";
import type { Tensor } from "../../tensor/tensor.js";
import { CONV_NORM_EPS } from "./feature-extractor.js";

/** Shape of a {@link PositionalConv}. */
export interface PositionalConvConfig {
  dim: number;
  posConvLayers: number;
  /** Odd, so that the frames stay where they are. */
  posConvKernel: number;
  posConvGroups: number;
  /**
   * What padded frames are to all convolutions but the first, before which they are zero: what the one before made of them, which leaks
   * into the last valid frames as in fairseq and Hugging Face, or zero again.
   */
  paddedPositions: "leak" | "masked";
}

/** Positions of frames, read off their neighbours: grouped convolutions, each followed by layer norm without parameters and GELU. */
export class PositionalConv extends Module {
  readonly #layers: readonly Conv1d[];
  readonly #masked: boolean;

  constructor({ dim, posConvLayers, posConvKernel: kernel, posConvGroups: groups, paddedPositions }: PositionalConvConfig) {
    super();
    // PyTorch's default.
    const bound = 1 / Math.sqrt((dim / groups) * kernel);
    const init: Init = { kind: "uniform", low: -bound, high: bound };
    const config = { inChannels: dim, outChannels: dim, kernel, padding: (kernel - 1) / 2, groups };
    this.#layers = Array.from({ length: posConvLayers }, (_, i) => this.child(`layers.${i}`, new Conv1d(config, init, init)));
    this.#masked = paddedPositions === "masked";
  }

  /** (batch, frames, dim) from frames whose padding is zero; `padding`, i32 (batch, frames), tells where it is. */
  forward(x: Tensor, padding: Tensor | null): Tensor {
    return this.#layers.reduce((frames, layer, i) => {
      const input = this.#masked && padding !== null && i > 0 ? maskRows(frames, null, padding) : frames;
      return layerNormGelu(layer.forward(input), null, null, CONV_NORM_EPS);
    }, x);
  }
}
