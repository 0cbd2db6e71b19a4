import { Conv1d } from "../../nn/conv1d.js";
import { LayerNorm } from "../../nn/layer-norm.js";
import { Module } from "../../nn/module.js";
import type { Init } from "../../nn/parameter.js";
import { layerNormGelu } from "../../ops/layer-norm-gelu.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { FrameGeometry } from "./frames.js";

/** Shape of a feature extractor. */
export interface FeatureExtractorConfig extends FrameGeometry {
  /** Channels of each convolution. */
  readonly convDims: readonly number[];
  readonly convBias: boolean;
}

/** Of the norms behind convolutions, fixed in all published implementations. */
export const CONV_NORM_EPS = 1e-5;

class ConvBlock extends Module {
  readonly conv: Conv1d;
  readonly norm: LayerNorm;

  constructor(inChannels: number, outChannels: number, kernel: number, stride: number, bias: boolean) {
    super();
    // Kaiming's normal, as in fairseq.
    const init: Init = { kind: "normal", std: Math.sqrt(2 / (inChannels * kernel)) };
    this.conv = this.child("conv", new Conv1d({ inChannels, outChannels, kernel, stride, bias }, init));
    this.norm = this.child("norm", new LayerNorm(outChannels, CONV_NORM_EPS));
  }

  forward(x: Tensor): Tensor {
    return layerNormGelu(this.conv.forward(x), this.norm.weight.value, this.norm.bias.value, CONV_NORM_EPS);
  }
}

/** Waveforms as frames: convolutions without padding, each followed by layer norm and GELU (paper section 4.2; wav2vec 2.0). */
export class FeatureExtractor extends Module {
  readonly #layers: readonly ConvBlock[];

  constructor({ convDims, convKernels, convStrides, convBias }: FeatureExtractorConfig) {
    super();
    this.#layers = convDims.map((channels, i) =>
      this.child(`layers.${i}`, new ConvBlock(i === 0 ? 1 : convDims[i - 1], channels, convKernels[i], convStrides[i], convBias)),
    );
  }

  /** Frames (batch, frames, channels) of waveforms (batch, samples). */
  forward(waveform: Tensor): Tensor {
    const { device } = waveform;
    const [batch, samples] = waveform.shape;
    return this.#layers.reduce<Tensor>(
      (x, layer, i) => device.within(`layers.${i}`, () => layer.forward(x)),
      waveform.reshape([batch, samples, 1]),
    );
  }
}
