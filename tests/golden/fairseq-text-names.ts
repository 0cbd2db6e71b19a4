/** Names of fairseq's data2vec_text state dict as this project's parameter names. */
import { type HostTensor, hostTensor, toFloat32 } from "../../src/checkpoint/safetensors.js";

const TOP: Record<string, string> = {
  "embed_tokens.weight": "embedding.tokens.table",
  "embed_positions.weight": "embedding.positions.table",
  "layernorm_embedding.weight": "embedding.norm.weight",
  "layernorm_embedding.bias": "embedding.norm.bias",
  "regression_head.0.weight": "head.up.weight",
  "regression_head.0.bias": "head.up.bias",
  "regression_head.2.weight": "head.down.weight",
  "regression_head.2.bias": "head.down.bias",
};

const BLOCK: Record<string, string> = {
  self_attn_layer_norm: "norm1",
  "self_attn.q_proj": "attention.qkv",
  "self_attn.k_proj": "attention.qkv",
  "self_attn.v_proj": "attention.qkv",
  "self_attn.out_proj": "attention.output",
  final_layer_norm: "norm2",
  fc1: "ffn.up",
  fc2: "ffn.down",
};

/**
 * A state dict, or the gradients for one (`prefix` "grad."), under this project's names: query, key and value in one tensor. A head of one
 * layer is `head.*`. Tensors without the prefix are left out, and of a teacher also the embeddings, which are the student's.
 */
export function fromFairseqText(tensors: ReadonlyMap<string, HostTensor>, prefix = ""): Map<string, HostTensor> {
  const result = new Map<string, HostTensor>();
  const oneLayer = ![...tensors.keys()].some((name) => name.includes("regression_head.2."));
  for (const [key, tensor] of tensors) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length).replace(/^encoder\.(sentence_encoder\.)?/, "");
    if (name === "version") continue;
    const [, block, part, kind] = /^layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
    const ours = block === undefined ? TOP[name] : BLOCK[part] && `transformer.blocks.${block}.${BLOCK[part]}.${kind}`;
    if (ours === undefined) throw new Error(`fairseq's text model has no ${name}`);
    const place = ["q_proj", "k_proj", "v_proj"].findIndex((projection) => part?.endsWith(projection));
    if (place < 0) {
      result.set(oneLayer ? ours.replace("head.up.", "head.") : ours, tensor);
      continue;
    }
    const data = toFloat32(tensor, key);
    const whole = result.get(ours) ?? hostTensor([3 * tensor.shape[0], ...tensor.shape.slice(1)], new Float32Array(3 * data.length));
    toFloat32(whole).set(data, place * data.length);
    result.set(ours, whole);
  }
  return result;
}
