/** Names of fairseq's data2vec_audio (the code behind the paper's speech results) as this project's parameter names. */
import { type HostTensor, hostTensor, toFloat32 } from "../../src/checkpoint/safetensors.js";

const RULES: [RegExp, string][] = [
  [/^mask_emb$/, "maskToken"],
  [/^feature_extractor\.conv_layers\.(\d+)\.0\.(weight|bias)$/, "featureExtractor.layers.$1.conv.$2"],
  [/^feature_extractor\.conv_layers\.(\d+)\.2\.1\.(weight|bias)$/, "featureExtractor.layers.$1.norm.$2"],
  [/^layer_norm\.(weight|bias)$/, "featureProjection.norm.$1"],
  [/^post_extract_proj\.(weight|bias)$/, "featureProjection.linear.$1"],
  [/^encoder\.pos_conv\.(\d+)\.0\.(weight|bias)$/, "positionalConv.layers.$1.$2"],
  [/^encoder\.layer_norm\.(weight|bias)$/, "embeddingNorm.$1"],
  [/^encoder\.layers\.(\d+)\.self_attn\.[qkv]_proj\.(weight|bias)$/, "transformer.blocks.$1.attention.qkv.$2"],
  [/^encoder\.layers\.(\d+)\.self_attn\.out_proj\.(weight|bias)$/, "transformer.blocks.$1.attention.output.$2"],
  [/^encoder\.layers\.(\d+)\.self_attn_layer_norm\.(weight|bias)$/, "transformer.blocks.$1.norm1.$2"],
  [/^encoder\.layers\.(\d+)\.fc1\.(weight|bias)$/, "transformer.blocks.$1.ffn.up.$2"],
  [/^encoder\.layers\.(\d+)\.fc2\.(weight|bias)$/, "transformer.blocks.$1.ffn.down.$2"],
  [/^encoder\.layers\.(\d+)\.final_layer_norm\.(weight|bias)$/, "transformer.blocks.$1.norm2.$2"],
  [/^final_proj\.(weight|bias)$/, "head.$1"],
];

const QKV = ["q", "k", "v"];

/**
 * A state dict, or the gradients for one (`prefix` "grad."), under this project's names and in its shapes: convolutions
 * [out, kernel, in / groups], queries, keys and values together. Names of a teacher are relative to the encoder: `within` "encoder.".
 */
export function fromFairseqAudio(tensors: ReadonlyMap<string, HostTensor>, prefix = "", within = ""): Map<string, HostTensor> {
  const result = new Map<string, HostTensor>();
  for (const [key, tensor] of tensors) {
    if (!key.startsWith(prefix)) continue;
    const name = within + key.slice(prefix.length);
    const rule = RULES.find(([pattern]) => pattern.test(name));
    if (rule === undefined) throw new Error(`fairseq has no ${name}`);
    const ours = name.replace(...rule);
    const data = toFloat32(tensor, key);
    const part = QKV.indexOf(/self_attn\.([qkv])_proj/.exec(name)?.[1] ?? "");
    if (part >= 0) {
      const shape = [3 * tensor.shape[0], ...tensor.shape.slice(1)];
      const whole = result.get(ours) ?? hostTensor(shape, new Float32Array(3 * data.length));
      toFloat32(whole).set(data, part * data.length);
      result.set(ours, whole);
    } else {
      result.set(ours, tensor.shape.length === 3 ? kernelFirst(data, tensor.shape) : hostTensor([...tensor.shape], data));
    }
  }
  return result;
}

function kernelFirst(data: Float32Array, [out, channels, kernel]: readonly number[]): HostTensor {
  const moved = data.map((_, i) => {
    const channel = i % channels;
    const tap = Math.floor(i / channels) % kernel;
    const row = Math.floor(i / channels / kernel);
    return data[(row * channels + channel) * kernel + tap];
  });
  return hostTensor([out, kernel, channels], moved);
}
