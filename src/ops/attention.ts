import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** A bias against distance, by head (Press et al. 2022, "Train short, test long"), symmetric as in data2vec 2.0. */
export interface Alibi {
  /** What a unit of distance takes from a logit of each head (heads elements), f32; below 0 counts as 0. */
  slopes: Tensor;
  /** Positions of the tokens, i32 (batch, tokens), or null for their indices. A token of a negative one is at no distance from any. */
  positions: Tensor | null;
}

/** What may take part in {@link attention} beside queries, keys and values. */
export interface AttentionOptions {
  heads: number;
  /** Added to the logits of every sample (heads, tokens, tokens), or null. */
  bias: Tensor | null;
  /** Subtracted beside it, or null. */
  alibi: Alibi | null;
  /** Valid tokens per sample, i32 (batch): keys beyond take no part. Null: all are valid. */
  lengths: Tensor | null;
  /** Dropout on the attention probabilities. */
  dropout: number;
  purpose: number;
}

/** Fused softmax attention scaled by 1/√headDim: qkv (batch, tokens, 3 · heads · headDim), in that order, to (batch, tokens, heads · headDim). */
export function attention(qkv: Tensor, { heads, bias, alibi, lengths, dropout, purpose }: AttentionOptions): Tensor {
  const { device, kernels } = qkv;
  const [batch, tokens] = qkv.shape;
  const headDim = Math.floor(qkv.shape[2] / (3 * heads));
  expectShape("attention: qkv", qkv.shape, [batch, tokens, 3 * heads * headDim]);
  if (bias !== null) expectShape("attention: bias", bias.shape, [heads, tokens, tokens]);
  const { slopes, positions } = alibi ?? { slopes: null, positions: null };
  if (slopes !== null) expectShape("attention: slopes", [slopes.count], [heads]);
  if (positions !== null) expectShape("attention: positions", positions.shape, [batch, tokens]);
  if (lengths !== null) expectShape("attention: lengths", lengths.shape, [batch]);
  expectType("attention: bias", bias, "f32");
  expectType("attention: slopes", slopes, "f32");
  expectType("attention: positions", positions, "i32");
  expectType("attention: lengths", lengths, "i32");
  const biases = [bias?.ptr ?? 0, slopes?.ptr ?? 0, positions?.ptr ?? 0] as const;
  const settings = [lengths?.ptr ?? 0, device.rng.ptr, batch, tokens, heads, headDim, dropout, purpose] as const;

  const out = device.empty([batch, tokens, heads * headDim], "attention", qkv.dtype);
  const logSumExp = device.empty([batch, heads, tokens], "attention logSumExp");
  kernels.attention(out.ptr, logSumExp.ptr, qkv.ptr, ...biases, ...settings);

  record(out, [qkv, bias, slopes], (dOut) => {
    const dBias = addingGrad(bias);
    const dSlopes = addingGrad(slopes);
    accumulate(qkv, (dQkv) =>
      kernels.attentionGrad(dQkv, dBias, dSlopes, dOut.ptr, out.ptr, logSumExp.ptr, qkv.ptr, ...biases, ...settings),
    );
  });
  return out;
}
