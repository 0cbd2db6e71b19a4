import type { Data2VecEncoder, Embedded, EncodeOptions } from "../../data2vec/encoder.js";
import { Embedding } from "../../nn/embedding.js";
import { LayerNorm } from "../../nn/layer-norm.js";
import { Module } from "../../nn/module.js";
import type { Init } from "../../nn/parameter.js";
import { Transformer } from "../../nn/transformer.js";
import { add } from "../../ops/add.js";
import { dropout } from "../../ops/dropout.js";
import { maskRows } from "../../ops/mask-rows.js";
import { expectShape } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { TextInput } from "./input.js";

/** Shape and regularisation of a text Transformer. */
export interface TextEncoderConfig {
  /** Rows of the table of tokens. */
  vocabSize: number;
  /** Longest sequence in tokens; the table of positions has `paddingId` + 1 rows more. */
  maxPositions: number;
  /** Kinds of tokens told apart by a table of their own; 0 is no such table. */
  typeVocabSize: number;
  /** The token that fills a batch up, whose rows in the tables stay zero. */
  paddingId: number;
  dim: number;
  depth: number;
  heads: number;
  ffnDim: number;
  layerNormEps: number;
  dropout: number;
  attentionDropout: number;
  activationDropout: number;
  layerDrop: number;
  initStd: number;
  /** False for a teacher, which starts from the student's embeddings. */
  embeds: boolean;
}

/** Random site of the dropout after the embedding. */
const EMBEDDING_SITE = 1;

/** The text Transformer of RoBERTa and data2vec: tokens, learned positions, norms after the residual sums (paper section 4.3). */
export class TextEncoder extends Module implements Data2VecEncoder<TextInput> {
  readonly extraTokens = 0;
  readonly copied: readonly string[] = ["embedding."];
  readonly transformer: Transformer;
  readonly #embedding: TextEmbedding | null;

  constructor(readonly config: TextEncoderConfig) {
    super();
    this.#embedding = config.embeds ? this.child("embedding", new TextEmbedding(config), 0) : null;
    this.transformer = this.child(
      "transformer",
      new Transformer({
        ...config,
        normFirst: false,
        initByDepth: false,
        initClip: null,
        layerScale: null,
        dropPath: 0,
        keyBias: true,
        relativePositionRows: null,
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
    return this.#embedding !== null;
  }

  /** Embeddings (batch, time, dim), normed; zero where `input.padding` says so. */
  embed(input: TextInput): Embedded {
    const embedding = this.#embedding;
    if (embedding === null) throw new Error("text: this encoder has no embedding; it starts from another's");
    expectShape("text: positions", input.positions.shape, input.tokens.shape);
    const features = input.tokens.device.within("embedding", () => embedding.forward(input));
    return { features: input.padding === null ? features : maskRows(features, null, input.padding), lengths: input.lengths };
  }

  /** Runs the Transformer over embeddings; what text hides from the student are tokens, so there is no `mask` here. */
  encode({ features, lengths }: Embedded, { mask, train, onEmbedding, onLayer }: EncodeOptions): Tensor {
    if (mask !== null) throw new Error("text: mask: expected null, got positions\nput the token <mask> into the input instead");
    const x = dropout(features, train ? this.config.dropout : 0, EMBEDDING_SITE);
    onEmbedding?.(x);
    return this.transformer.forward(x, { bias: null, relativeIndex: null, lengths, train, onLayer });
  }
}

/** norm(token + position + type). */
class TextEmbedding extends Module {
  readonly #tokens: Embedding;
  readonly #positions: Embedding;
  readonly #types: Embedding | null;
  readonly #norm: LayerNorm;

  constructor({ vocabSize, maxPositions, typeVocabSize, paddingId, dim, layerNormEps, initStd }: TextEncoderConfig) {
    super();
    const init: Init = { kind: "normal", std: initStd };
    this.#tokens = this.child("tokens", new Embedding(vocabSize, dim, init, paddingId));
    this.#positions = this.child("positions", new Embedding(positionRows({ maxPositions, paddingId }), dim, init, paddingId));
    this.#types = typeVocabSize === 0 ? null : this.child("types", new Embedding(typeVocabSize, dim, init));
    this.#norm = this.child("norm", new LayerNorm(dim, layerNormEps));
  }

  forward({ tokens, positions, types }: TextInput): Tensor {
    let sum = add(this.#tokens.forward(tokens), this.#positions.forward(positions));
    if (this.#types !== null) sum = add(sum, this.#types.forward(types ?? zeros(tokens)));
    return this.#norm.forward(sum);
  }
}

/** Rows of the table of positions: the first token's is the one after the padding's. */
export function positionRows({ maxPositions, paddingId }: Pick<TextEncoderConfig, "maxPositions" | "paddingId">): number {
  return maxPositions + paddingId + 1;
}

function zeros(like: Tensor): Tensor {
  return like.device.fixedIndices(`types of ${like.shape.join(" x ")} tokens`, like.shape, () => new Int32Array(like.count));
}
