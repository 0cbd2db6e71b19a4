import type { Data2VecEncoder, Embedded, EncodeOptions } from "../../data2vec/encoder.js";
import { LayerNorm } from "../../nn/layer-norm.js";
import { Linear } from "../../nn/linear.js";
import { Module } from "../../nn/module.js";
import type { Init, Parameter } from "../../nn/parameter.js";
import { Transformer } from "../../nn/transformer.js";
import { add } from "../../ops/add.js";
import { dropout } from "../../ops/dropout.js";
import { maskChannels } from "../../ops/mask-channels.js";
import { maskRows } from "../../ops/mask-rows.js";
import { scaleGradient } from "../../ops/scale-gradient.js";
import { formatShape, ShapeError } from "../../tensor/shape.js";
import { expectType, type Tensor } from "../../tensor/tensor.js";
import { FeatureExtractor, type FeatureExtractorConfig } from "./feature-extractor.js";
import { receptiveField } from "./frames.js";
import type { SpeechInput } from "./input.js";
import { PositionalConv, type PositionalConvConfig } from "./positional-conv.js";

/** Shape and regularisation of a speech encoder. */
export interface SpeechEncoderConfig extends FeatureExtractorConfig, PositionalConvConfig {
  dim: number;
  depth: number;
  heads: number;
  ffnDim: number;
  /** Of the norms of projection, embedding and blocks. */
  layerNormEps: number;
  /** Dropout of the embedding and of each residual branch, and the others of the Transformer. */
  dropout: number;
  attentionDropout: number;
  activationDropout: number;
  layerDrop: number;
  /** Dropout of the projected features. */
  featureDropout: number;
  /** Factor on the gradient of the feature extractor; 0 leaves it as it is. */
  featureGradScale: number;
  /** Whether a teacher takes the student's positional convolutions as they are, or averages them. */
  emaPositions: "copied" | "averaged";
  /** Whether there is a feature extractor; a teacher takes the student's features. */
  embeds: boolean;
  initStd: number;
}

/** Frames with what the second part of the encoder must know of them. */
export interface SpeechEmbedded extends Embedded {
  padding: Tensor | null;
  channelMask: Tensor | null;
}

/** Random sites outside of the blocks. */
const SITES = { features: 1, embedding: 2 } as const;

class FeatureProjection extends Module {
  readonly norm: LayerNorm;
  readonly linear: Linear;

  constructor(inDim: number, dim: number, eps: number) {
    super();
    // PyTorch's default.
    const init: Init = { kind: "uniform", low: -1 / Math.sqrt(inDim), high: 1 / Math.sqrt(inDim) };
    this.norm = this.child("norm", new LayerNorm(inDim, eps));
    this.linear = this.child("linear", new Linear(inDim, dim, init, init));
  }

  forward(x: Tensor): Tensor {
    return this.linear.forward(this.norm.forward(x));
  }
}

/**
 * The speech encoder of data2vec (paper section 4.2): convolutions make frames of a waveform, further ones give them positions, and a
 * Transformer with norms after the residual sums follows. A teacher has the second part only.
 */
export class SpeechEncoder extends Module implements Data2VecEncoder<SpeechInput> {
  readonly extraTokens = 0;
  readonly copied: readonly string[];
  readonly transformer: Transformer;
  readonly #maskToken: Parameter | null;
  readonly #featureExtractor: FeatureExtractor | null;
  readonly #featureProjection: FeatureProjection | null;
  readonly #positionalConv: PositionalConv;
  readonly #embeddingNorm: LayerNorm;

  constructor(readonly config: SpeechEncoderConfig) {
    super();
    const { dim, embeds, convDims, layerNormEps } = config;
    this.copied = config.emaPositions === "copied" ? ["positionalConv."] : [];
    this.#maskToken = embeds ? this.parameter("maskToken", [dim], { init: { kind: "uniform", low: 0, high: 1 }, layer: 0 }) : null;
    this.#featureExtractor = embeds ? this.child("featureExtractor", new FeatureExtractor(config), 0) : null;
    const projection = () => new FeatureProjection(convDims[convDims.length - 1], dim, layerNormEps);
    this.#featureProjection = embeds ? this.child("featureProjection", projection(), 0) : null;
    this.#positionalConv = this.child("positionalConv", new PositionalConv(config), 0);
    this.#embeddingNorm = this.child("embeddingNorm", new LayerNorm(dim, layerNormEps), 0);
    this.transformer = this.child(
      "transformer",
      new Transformer({
        ...config,
        normFirst: false,
        layerScale: null,
        keyBias: true,
        relativePositionRows: null,
        initClip: null,
        initByDepth: false,
        dropPath: 0,
      }),
    );
  }

  get dim(): number {
    return this.config.dim;
  }

  get depth(): number {
    return this.config.depth;
  }

  get embeds(): boolean {
    return this.config.embeds;
  }

  /** Projected features (batch, frames, dim) of waveforms (batch, samples). */
  embed({ waveform, lengths, padding, channelMask }: SpeechInput): SpeechEmbedded {
    const { device, shape } = waveform;
    const extractor = this.#featureExtractor;
    const projection = this.#featureProjection;
    if (extractor === null || projection === null) throw new Error("speech: this encoder was made without a feature extractor");
    const least = receptiveField(this.config);
    if (shape.length !== 2 || shape[1] < least)
      throw new ShapeError(`speech: waveform: expected [batch, ${least} samples or more], got ${formatShape(shape)}`);
    expectType("speech: waveform", waveform, device.activation);
    const { featureGradScale } = this.config;
    const extract = () => device.within("featureExtractor", () => extractor.forward(waveform));
    const frames = featureGradScale === 0 ? device.noGrad(extract) : scaleGradient(extract(), featureGradScale);
    const features = device.within("featureProjection", () => projection.forward(frames));
    return { features, lengths, padding, channelMask };
  }

  /** Runs the Transformer over projected features; `mask`, i32 (batch, frames), replaces frames by the mask vector. */
  encode({ features, lengths, padding, channelMask }: SpeechEmbedded, { mask, train, onEmbedding, onLayer }: EncodeOptions): Tensor {
    const { device } = features;
    const { featureDropout, dropout: rate } = this.config;
    let x = dropout(features, train ? featureDropout : 0, SITES.features);
    if (mask !== null) {
      if (this.#maskToken === null) throw new Error("speech: a mask was given, but the model has no mask vector");
      x = maskRows(x, this.#maskToken.value, mask);
    }
    if (channelMask !== null) x = maskChannels(x, channelMask);
    if (padding !== null) x = maskRows(x, null, padding);
    const positions = device.within("positionalConv", () => this.#positionalConv.forward(x, padding));
    x = device.within("embeddingNorm", () => this.#embeddingNorm.forward(add(x, positions)));
    x = dropout(x, train ? rate : 0, SITES.embedding);
    onEmbedding?.(x);
    return this.transformer.forward(x, { bias: null, relativeIndex: null, lengths, train, onLayer });
  }
}
