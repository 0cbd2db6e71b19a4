import { expectShape } from "../tensor/shape.js";
import { accumulate, addingGrad, record } from "../tensor/tape.js";
import { expectType, type Tensor } from "../tensor/tensor.js";

/** What may take part in {@link attention} beside queries, keys and values. */
export interface AttentionOptions {
  heads: number;
  /** Added to the logits of every sample (heads, tokens, tokens), or null. */
  bias: Tensor | null;
  /** Valid tokens per sample, i32 (batch): keys beyond take no part. Null: all are valid. */
  lengths: Tensor | null;
  /** Dropout on the attention probabilities. */
  dropout: number;
  purpose: number;
}

/** Fused softmax attention scaled by 1/√headDim: qkv (batch, tokens, 3 · heads · headDim), in that order, to (batch, tokens, heads · headDim). */
export function attention(qkv: Tensor, { heads, bias, lengths, dropout, purpose }: AttentionOptions): Tensor {
  const { device, kernels } = qkv;
  const [batch, tokens] = qkv.shape;
  const headDim = Math.floor(qkv.shape[2] / (3 * heads));
  expectShape("attention: qkv", qkv.shape, [batch, tokens, 3 * heads * headDim]);
  if (bias !== null) expectShape("attention: bias", bias.shape, [heads, tokens, tokens]);
  if (lengths !== null) expectShape("attention: lengths", lengths.shape, [batch]);
  expectType("attention: bias", bias, "f32");
  expectType("attention: lengths", lengths, "i32");
  const biasPtr = bias?.ptr ?? 0;
  const lengthsPtr = lengths?.ptr ?? 0;
  const rng = device.rng.ptr;

  const out = device.empty([batch, tokens, heads * headDim], "attention", qkv.dtype);
  const logSumExp = device.empty([batch, heads, tokens], "attention logSumExp");
  kernels.attention(out.ptr, logSumExp.ptr, qkv.ptr, biasPtr, lengthsPtr, rng, batch, tokens, heads, headDim, dropout, purpose);

  record(out, [qkv, bias], (dOut) => {
    const dBias = addingGrad(bias);
    accumulate(qkv, (dQkv) =>
      kernels.attentionGrad(
        dQkv,
        dBias,
        dOut.ptr,
        out.ptr,
        logSumExp.ptr,
        qkv.ptr,
        biasPtr,
        lengthsPtr,
        rng,
        batch,
        tokens,
        heads,
        headDim,
        dropout,
        purpose,
      ),
    );
  });
  return out;
}
