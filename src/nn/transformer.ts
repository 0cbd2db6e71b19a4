import { add } from "../ops/add.js";
import { attention } from "../ops/attention.js";
import { dropout } from "../ops/dropout.js";
import { layerSkip } from "../ops/layer-skip.js";
import { linear } from "../ops/linear.js";
import { linearGelu } from "../ops/linear-gelu.js";
import { type LinearResidual, linearResidual } from "../ops/linear-residual.js";
import { residual } from "../ops/residual.js";
import { contained } from "../tensor/contained.js";
import type { Tensor } from "../tensor/tensor.js";
import { LayerNorm } from "./layer-norm.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";
import type { Init, Parameter } from "./parameter.js";
import { RelativePosition } from "./relative-position.js";

/** Shape and regularisation of a Transformer. */
export interface TransformerConfig {
  dim: number;
  depth: number;
  heads: number;
  /** Width of the feed-forward network. */
  ffnDim: number;
  layerNormEps: number;
  /** Whether norms stand before attention and feed-forward network (as in BEiT) or after the residual sums (as in BERT). */
  normFirst: boolean;
  /** Start of the layer scale on both branches, or null for none. */
  layerScale: number | null;
  /** Whether the key projection has a bias. */
  keyBias: boolean;
  /** Rows of a relative-position table in each block, or null for none. */
  relativePositionRows: number | null;
  initStd: number;
  /** Cut-off of the initial weights in standard deviations, or null for none. */
  initClip: number | null;
  /** Whether block i (from 1) starts with output projections smaller by √(2 i), as in BEiT. */
  initByDepth: boolean;
  /** Dropout after attention and feed-forward network, on attention probabilities, and inside of the feed-forward network. */
  dropout: number;
  attentionDropout: number;
  activationDropout: number;
  /** Probability of dropping the last block's branches; rises linearly from 0 at the first block. */
  dropPath: number;
  /** Probability of skipping a whole block for a sample (LayerDrop). */
  layerDrop: number;
}

/** What a block makes, each (batch, tokens, dim). */
export interface BlockOutputs {
  /** The block's output. */
  block: Tensor;
  /** Computes what the feed-forward network adds to the residual stream, layer scale included; no gradient flows back from it. */
  ffn: () => Tensor;
}

/** Called after each block, from 0. */
export type LayerTap = (layer: number, outputs: BlockOutputs) => void;

/** What a forward pass needs beside its input. */
export interface TransformerOptions {
  /** Attention bias shared by all blocks (heads, tokens, tokens), or null. */
  bias: Tensor | null;
  /** Index into the blocks' own relative-position tables, i32 (tokens, tokens); null without such tables. */
  relativeIndex: Tensor | null;
  /** Valid tokens per sample, i32 (batch), or null for all. */
  lengths: Tensor | null;
  /** True switches dropout and drop path on. */
  train: boolean;
  onLayer?: LayerTap;
}

/** Random sites of block i have purposes from 16 (i + 1) on. */
const SITES = { attention: 0, attentionOutput: 1, attentionPath: 2, ffnOutput: 3, ffnPath: 4, activation: 5, skip: 6 } as const;

class SelfAttention extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly output: Linear;

  constructor(
    private readonly config: TransformerConfig,
    init: Init,
    outputInit: Init,
  ) {
    super();
    const { dim, keyBias } = config;
    this.weight = this.parameter("qkv.weight", [3 * dim, dim], { init });
    this.bias = this.parameter("qkv.bias", [3 * dim], {
      init: { kind: "constant", value: 0 },
      frozen: keyBias ? null : { start: dim, count: dim },
    });
    this.output = this.child("output", new Linear(dim, dim, outputInit));
  }

  /** What the heads read; {@link output} makes the branch of it. */
  forward(x: Tensor, bias: Tensor | null, { lengths, train }: TransformerOptions, purpose: number): Tensor {
    const { heads, attentionDropout } = this.config;
    const qkv = linear(x, this.weight.value, this.bias.value);
    return attention(qkv, { heads, bias, alibi: null, lengths, dropout: train ? attentionDropout : 0, purpose });
  }
}

class FeedForward extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor({ dim, ffnDim }: TransformerConfig, init: Init, outputInit: Init) {
    super();
    this.up = this.child("up", new Linear(dim, ffnDim, init));
    this.down = this.child("down", new Linear(ffnDim, dim, outputInit));
  }

  /** The hidden layer; {@link down} makes the branch of it. */
  forward(x: Tensor, activationDropout: number, purpose: number): Tensor {
    return dropout(linearGelu(x, this.up.weight.value, this.up.bias.value), activationDropout, purpose);
  }
}

/**
 * A block, branches dropped per sample. Norm first: x += γ₁ · attention(norm(x)); x += γ₂ · ffn(norm(x)). Norm after:
 * x = norm(x + γ₁ · attention(x)); x = norm(x + γ₂ · ffn(x)).
 */
class Block extends Module {
  readonly norm1: LayerNorm;
  readonly attention: SelfAttention;
  readonly norm2: LayerNorm;
  readonly ffn: FeedForward;
  readonly relativePosition: RelativePosition | null;
  readonly gamma1: Parameter | null;
  readonly gamma2: Parameter | null;
  readonly #dropPath: number;
  readonly #purpose: number;

  constructor(
    private readonly config: TransformerConfig,
    index: number,
  ) {
    super();
    const { dim, depth, heads, layerNormEps, layerScale, relativePositionRows, initStd, initClip, initByDepth, dropPath } = config;
    const init: Init = { kind: "normal", std: initStd, clip: initClip ?? Number.POSITIVE_INFINITY };
    const outputInit: Init = initByDepth ? { ...init, std: initStd / Math.sqrt(2 * (index + 1)) } : init;
    this.norm1 = this.child("norm1", new LayerNorm(dim, layerNormEps));
    this.attention = this.child("attention", new SelfAttention(config, init, outputInit));
    this.norm2 = this.child("norm2", new LayerNorm(dim, layerNormEps));
    this.ffn = this.child("ffn", new FeedForward(config, init, outputInit));
    const scale = (name: string) =>
      layerScale === null ? null : this.parameter(name, [dim], { init: { kind: "constant", value: layerScale } });
    this.gamma1 = scale("gamma1");
    this.gamma2 = scale("gamma2");
    this.relativePosition =
      relativePositionRows === null ? null : this.child("relativePosition", new RelativePosition(relativePositionRows, heads));
    this.#dropPath = depth > 1 ? (dropPath * index) / (depth - 1) : 0;
    this.#purpose = 16 * (index + 1);
  }

  forward(x: Tensor, options: TransformerOptions): BlockOutputs {
    const { train, onLayer } = options;
    const { normFirst, activationDropout, layerDrop } = this.config;
    const site = (name: keyof typeof SITES) => this.#purpose + SITES[name];
    const gamma1 = this.gamma1?.value ?? null;
    const gamma2 = this.gamma2?.value ?? null;

    const { device } = x;
    const read = device.resultOf(() =>
      this.attention.forward(normFirst ? this.norm1.forward(x) : x, this.#bias(options), options, site("attention")),
    );
    const attentionSites = [site("attentionOutput"), site("attentionPath")] as const;
    const { y: sum } = this.#join(x, read, this.attention.output, gamma1, attentionSites, { train, keepBranch: false });
    const middle = normFirst ? sum : this.norm1.forward(sum);

    const hidden = device.resultOf(() =>
      this.ffn.forward(normFirst ? this.norm2.forward(middle) : middle, train ? activationDropout : 0, site("activation")),
    );
    const ffnSites = [site("ffnOutput"), site("ffnPath")] as const;
    const keepBranch = onLayer !== undefined;
    const { y: last, branch: ffn } = this.#join(middle, hidden, this.ffn.down, gamma2, ffnSites, { train, keepBranch });
    const output = normFirst ? last : this.norm2.forward(last);
    const block = train && layerDrop > 0 ? layerSkip(output, x, { probability: layerDrop, purpose: site("skip") }) : output;
    return { block, ffn: () => scaled(ffn as Tensor, gamma2) };
  }

  /** Ends a branch: r + γ · dropout(projection(x)), at two random sites. */
  #join(
    r: Tensor,
    x: Tensor,
    projection: Linear,
    gamma: Tensor | null,
    [dropoutSite, purpose]: readonly [number, number],
    { train, keepBranch }: { train: boolean; keepBranch: boolean },
  ): LinearResidual {
    const options = { gamma, dropPath: train ? this.#dropPath : 0, purpose };
    if (!train || this.config.dropout === 0)
      return linearResidual(r, x, projection.weight.value, projection.bias.value, options, keepBranch);
    const branch = projection.forward(x);
    return { y: residual(r, dropout(branch, this.config.dropout, dropoutSite), options), branch };
  }

  #bias({ bias, relativeIndex }: TransformerOptions): Tensor | null {
    if (this.relativePosition === null || relativeIndex === null) return bias;
    const own = this.relativePosition.forward(relativeIndex);
    return bias === null ? own : add(own, bias);
  }
}

/** gamma · x without a gradient. */
function scaled(x: Tensor, gamma: Tensor | null): Tensor {
  if (gamma === null) return x;
  const { device } = x;
  return device.noGrad(() => {
    const zeros = device.empty(x.shape, "zeros", x.dtype);
    zeros.kernels.fill(zeros.ptr, zeros.count, 0);
    return residual(zeros, x, { gamma, dropPath: 0, purpose: 0 });
  });
}

/** A stack of Transformer blocks over (batch, tokens, dim); the norm after the last block belongs to whoever uses it. */
export class Transformer extends Module {
  readonly blocks: readonly Block[];
  /** Those of each block. */
  readonly #parameters: readonly (readonly Parameter[])[];

  constructor(readonly config: TransformerConfig) {
    super();
    if (config.dim % config.heads !== 0) throw new Error(`transformer: dim ${config.dim} is no multiple of heads ${config.heads}`);
    this.blocks = Array.from({ length: config.depth }, (_, i) => this.child(`blocks.${i}`, new Block(config, i), i + 1));
    this.#parameters = this.blocks.map((block) => [...block.namedParameters()].map(({ parameter }) => parameter));
  }

  forward(x: Tensor, options: TransformerOptions): Tensor {
    return this.blocks.reduce(
      (input, block, layer) =>
        x.device.within(`blocks.${layer}`, () => {
          let outputs: BlockOutputs;
          const run = (again: Tensor) => (outputs = block.forward(again, options)).block;
          const look = (y: Tensor) => options.onLayer?.(layer, { block: y, ffn: outputs.ffn });
          return contained(input, () => [options.bias, ...this.#parameters[layer].map(({ value }) => value)], run, look);
        }),
      x,
    );
  }
}
