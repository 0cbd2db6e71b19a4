import type { Data2VecEncoder, Embedded, EncodeOptions } from "../../data2vec/encoder.js";
import type { Constant } from "../../nn/constant.js";
import { LayerNorm } from "../../nn/layer-norm.js";
import { Linear } from "../../nn/linear.js";
import { Module } from "../../nn/module.js";
import type { Init, Parameter } from "../../nn/parameter.js";
import { RelativePosition } from "../../nn/relative-position.js";
import { Transformer } from "../../nn/transformer.js";
import { addPosition } from "../../ops/add-position.js";
import { dropout } from "../../ops/dropout.js";
import { maskRows } from "../../ops/mask-rows.js";
import { patchify } from "../../ops/patchify.js";
import { prependToken } from "../../ops/prepend-token.js";
import { expectShape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { relativePositionIndex, relativePositionRows } from "./relative-index.js";

/** Shape and regularisation of a vision Transformer. */
export interface VisionEncoderConfig {
  /** Height and width of the images in pixels, a multiple of the patch size. */
  imageSize: number;
  patchSize: number;
  channels: number;
  dim: number;
  depth: number;
  heads: number;
  ffnDim: number;
  layerNormEps: number;
  /** Start of the layer scale, or null for none. */
  layerScale: number | null;
  dropPath: number;
  attentionDropout: number;
  dropout: number;
  relativePositionBias: "shared" | "perBlock" | "both" | "none";
  absolutePositions: boolean;
  /** A learned vector for masked patches; pretraining needs it. */
  maskToken: boolean;
  /** A layer norm after the last block; mean-pooled classifiers have theirs after pooling. */
  finalNorm: boolean;
  initStd: number;
  initClip: number;
}

/** Random site of the dropout after the embedding. */
const EMBEDDING_SITE = 1;

/** The vision Transformer of BEiT and data2vec: patches, a class token in front, relative positions in attention (paper section 4.1). */
export class VisionEncoder extends Module implements Data2VecEncoder<Tensor> {
  readonly extraTokens = 1;
  readonly embeds = true;
  readonly copied: readonly string[] = [];
  readonly transformer: Transformer;
  readonly #clsToken: Parameter;
  readonly #maskToken: Parameter | null;
  readonly #patchEmbed: Linear;
  readonly #positions: Parameter | null;
  readonly #relativePosition: RelativePosition | null;
  readonly #relativeIndex: Constant | null;
  readonly #norm: LayerNorm | null;
  readonly #side: number;

  constructor(readonly config: VisionEncoderConfig) {
    super();
    const { imageSize, patchSize, channels, dim, heads, initStd, initClip, relativePositionBias } = config;
    if (imageSize % patchSize !== 0) {
      throw new Error(`vision: model.imageSize ${imageSize} is no multiple of model.patchSize ${patchSize}`);
    }
    this.#side = imageSize / patchSize;
    const tokens = this.#side ** 2 + 1;
    const rows = relativePositionRows(this.#side);
    const perBlock = relativePositionBias === "perBlock" || relativePositionBias === "both";
    const shared = relativePositionBias === "shared" || relativePositionBias === "both";
    const init: Init = { kind: "normal", std: initStd, clip: initClip };
    this.#clsToken = this.parameter("clsToken", [1, dim], { init, decay: false, layer: 0 });
    this.#maskToken = config.maskToken ? this.parameter("maskToken", [1, dim], { init, layer: 0 }) : null;
    this.#patchEmbed = this.child("patchEmbed", new Linear(channels * patchSize ** 2, dim, init), 0);
    this.#positions = config.absolutePositions ? this.parameter("positions", [tokens, dim], { init, decay: false, layer: 0 }) : null;
    this.#relativeIndex =
      shared || perBlock ? this.constant("relativeIndex", [tokens, tokens], () => relativePositionIndex(this.#side)) : null;
    this.#relativePosition = shared ? this.child("relativePosition", new RelativePosition(rows, heads)) : null;
    this.transformer = this.child(
      "transformer",
      new Transformer({
        ...config,
        normFirst: true,
        initByDepth: true,
        activationDropout: 0,
        layerDrop: 0,
        keyBias: false,
        relativePositionRows: perBlock ? rows : null,
      }),
    );
    this.#norm = config.finalNorm ? this.child("norm", new LayerNorm(dim, config.layerNormEps)) : null;
  }

  get dim(): number {
    return this.config.dim;
  }

  get depth(): number {
    return this.config.depth;
  }

  /** Rows and columns of the grid of patches. */
  get side(): number {
    return this.#side;
  }

  /** Patch embeddings (batch, patches, dim) of images (batch, channels, imageSize, imageSize). */
  embed(images: Tensor): Embedded {
    const { imageSize, patchSize, channels } = this.config;
    expectShape("vision: images", images.shape, [images.shape[0], channels, imageSize, imageSize]);
    const features = images.device.within("patchEmbed", () => this.#patchEmbed.forward(patchify(images, patchSize)));
    return { features, lengths: null };
  }

  /** Runs the Transformer over patch embeddings; `mask`, i32 (batch, patches), replaces patches by the mask token. */
  encode({ features: patches }: Embedded, { mask, train, onEmbedding, onLayer }: EncodeOptions): Tensor {
    const { device } = patches;
    let x = patches;
    if (mask !== null) {
      if (this.#maskToken === null) throw new Error("vision: a mask was given, but the model has no mask token");
      x = maskRows(x, this.#maskToken.value, mask);
    }
    x = prependToken(x, this.#clsToken.value);
    if (this.#positions !== null) x = addPosition(x, this.#positions.value);
    x = dropout(x, train ? this.config.dropout : 0, EMBEDDING_SITE);
    onEmbedding?.(x);
    const index = this.#relativeIndex?.value ?? null;
    const bias = this.#relativePosition === null || index === null ? null : this.#relativePosition.forward(index);
    x = this.transformer.forward(x, { bias, relativeIndex: index, lengths: null, train, onLayer });
    return this.#norm === null ? x : device.within("norm", () => this.#norm!.forward(x));
  }
}
