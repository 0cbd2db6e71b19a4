/** Names of the BEiT fork's state dict (the code behind the paper's vision results) as this project's parameter names. */
import { type HostTensor, hostTensor, toFloat32 } from "../../src/checkpoint/safetensors.js";

const TOP: Record<string, string> = {
  cls_token: "clsToken",
  mask_token: "maskToken",
  pos_embed: "positions",
  "patch_embed.proj.weight": "patchEmbed.weight",
  "patch_embed.proj.bias": "patchEmbed.bias",
  "rel_pos_bias.relative_position_bias_table": "relativePosition.table",
  "norm.weight": "norm.weight",
  "norm.bias": "norm.bias",
  "lm_head.weight": "head.weight",
  "lm_head.bias": "head.bias",
};

const BLOCK: Record<string, string> = {
  "norm1.weight": "norm1.weight",
  "norm1.bias": "norm1.bias",
  "norm2.weight": "norm2.weight",
  "norm2.bias": "norm2.bias",
  "attn.qkv.weight": "attention.qkv.weight",
  "attn.q_bias": "attention.qkv.bias",
  "attn.v_bias": "attention.qkv.bias",
  "attn.proj.weight": "attention.output.weight",
  "attn.proj.bias": "attention.output.bias",
  "attn.relative_position_bias_table": "relativePosition.table",
  "mlp.fc1.weight": "ffn.up.weight",
  "mlp.fc1.bias": "ffn.up.bias",
  "mlp.fc2.weight": "ffn.down.weight",
  "mlp.fc2.bias": "ffn.down.bias",
  gamma_1: "gamma1",
  gamma_2: "gamma2",
};

/** The name here of a tensor there, or undefined for integer buffers; `q_bias` and `v_bias` share one. The regression head is `head.*`. */
export function beitName(name: string): string | undefined {
  if (name.endsWith("relative_position_index")) return undefined;
  const [, block, rest] = /^blocks\.(\d+)\.(.+)$/.exec(name) ?? [];
  const ours = block === undefined ? TOP[name] : BLOCK[rest] && `transformer.blocks.${block}.${BLOCK[rest]}`;
  if (ours === undefined) throw new Error(`the BEiT fork has no ${name}`);
  return ours;
}

/**
 * A state dict, or the gradients for one (`prefix` "grad."), under this project's names and in its shapes: tokens [1, dim], the patch
 * embedding [dim, channels * patch * patch], the bias of qkv [3 * dim] with zeros for the key. Tensors without the prefix are left out.
 */
export function fromBeit(tensors: ReadonlyMap<string, HostTensor>, prefix = ""): Map<string, HostTensor> {
  const result = new Map<string, HostTensor>();
  for (const [key, tensor] of tensors) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    const ours = beitName(name);
    if (ours === undefined) continue;
    const data = toFloat32(tensor, key);
    if (name.endsWith("q_bias") || name.endsWith("v_bias")) {
      const dim = data.length;
      const bias = result.get(ours) ?? hostTensor([3 * dim], new Float32Array(3 * dim));
      toFloat32(bias).set(data, name.endsWith("q_bias") ? 0 : 2 * dim);
      result.set(ours, bias);
    } else if (name === "patch_embed.proj.weight") {
      result.set(ours, hostTensor([tensor.shape[0], data.length / tensor.shape[0]], data));
    } else {
      // Tokens and positions carry a leading axis of 1.
      result.set(ours, hostTensor(tensor.shape.length === 3 ? tensor.shape.slice(1) : tensor.shape, data));
    }
  }
  return result;
}
