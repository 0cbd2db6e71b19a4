/** `config.json` of Hugging Face's `data2vec-vision`, field by field: each one is used, or refused where it asks for something else. */
import { CheckpointError } from "../../checkpoint/error.js";
import { type Fail, isRecord, labelsOf } from "../../checkpoint/huggingface-config.js";
import { ffnDim, type VisionNetworkConfig, visionNetworkSchema } from "./config.js";

/** What a model is, beside its parameters. */
export interface VisionModel {
  model: VisionNetworkConfig;
  /** A classifier pools the mean of the patches and norms it; otherwise the last block is followed by a norm and the class token counts. */
  meanPooling: boolean;
  /** Names of the classes, in the order of the logits; null without a classifier. */
  labels: string[] | null;
  /** One label an image, or any number. */
  problemType: "single" | "multi";
}

/** Fields that only segmentation, text generation or the library's own bookkeeping read. */
const IGNORED = new Set(
  `_name_or_path _commit_hash _attn_implementation attn_implementation transformers_version torch_dtype dtype model_type architectures
  out_indices out_features stage_names add_fpn reshape_hidden_states pool_scales use_auxiliary_head auxiliary_loss_weight auxiliary_channels
  auxiliary_num_convs auxiliary_concat_input semantic_loss_ignore_index chunk_size_feed_forward output_attentions output_hidden_states
  output_scores return_dict return_dict_in_generate torchscript use_bfloat16 tf_legacy_loss finetuning_task task_specific_params
  tie_word_embeddings tie_encoder_decoder is_encoder_decoder decoder_start_token_id cross_attention_hidden_size bos_token_id eos_token_id
  pad_token_id sep_token_id tokenizer_class prefix max_length min_length do_sample early_stopping num_beams num_beam_groups
  diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size
  encoder_no_repeat_ngram_size bad_words_ids num_return_sequences remove_invalid_values exponential_decay_length_penalty
  suppress_tokens begin_suppress_tokens forced_bos_token_id forced_eos_token_id use_cache use_mask_token`.split(/\s+/),
);

/** Fields that mean nothing at these values, and that nothing here can do at others. */
const FIXED: Record<string, (value: unknown) => boolean> = {
  hidden_act: (value) => value === "gelu",
  is_decoder: (value) => value !== true,
  add_cross_attention: (value) => value !== true,
  pruned_heads: (value) => isRecord(value) && Object.keys(value).length === 0,
  quantization_config: (value) => value === null,
};

/** The field of each key of a network; the defaults are those of Hugging Face's class, which old files rely on. */
const FIELDS = {
  imageSize: ["image_size", 224],
  patchSize: ["patch_size", 16],
  channels: ["num_channels", 3],
  dim: ["hidden_size", 768],
  depth: ["num_hidden_layers", 12],
  heads: ["num_attention_heads", 12],
  mlpRatio: ["intermediate_size", 3072],
  layerNormEps: ["layer_norm_eps", 1e-12],
  layerScale: ["layer_scale_init_value", 0.1],
  relativePositionBias: ["use_relative_position_bias", false],
  absolutePositions: ["use_absolute_position_embeddings", false],
  dropPath: ["drop_path_rate", 0.1],
  attentionDropout: ["attention_probs_dropout_prob", 0],
  dropout: ["hidden_dropout_prob", 0],
  initStd: ["initializer_range", 0.02],
} as const satisfies Record<keyof VisionNetworkConfig, readonly [string, unknown]>;

const OTHER_FIELDS = ["use_shared_relative_position_bias", "use_mean_pooling", "id2label", "label2id", "num_labels", "problem_type"];

/** What a file says of a {@link VisionModel}. */
export interface DescribedVisionModel extends VisionModel {
  /** Names of classes, also where the model turns out to have no classifier. */
  labels: string[];
  /** The file says that the model is a classifier. */
  isClassifier: boolean;
  notes: string[];
}

/**
 * Reads a parsed `config.json`.
 *
 * @param source names the file in messages
 * @throws CheckpointError naming the field that is wrong, or asks for what isn't supported
 */
export function visionFromConfig(json: unknown, source = "config.json"): DescribedVisionModel {
  if (!isRecord(json)) throw new CheckpointError(`${source}: expected a JSON object`);
  const fail = (field: string, reason: string) => new CheckpointError(`${source}: ${field}: ${reason}`);
  if (json.model_type !== "data2vec-vision") throw fail("model_type", `expected "data2vec-vision", got ${JSON.stringify(json.model_type)}`);
  const architectures = Array.isArray(json.architectures) ? json.architectures : [];
  for (const name of architectures) {
    if (name !== "Data2VecVisionModel" && name !== "Data2VecVisionForImageClassification") {
      throw fail(
        "architectures",
        `${JSON.stringify(name)} is not supported, only Data2VecVisionModel and Data2VecVisionForImageClassification`,
      );
    }
  }
  const known = new Set<string>([...Object.values(FIELDS).map(([field]) => field), ...OTHER_FIELDS]);
  const notes: string[] = [];
  for (const [field, value] of Object.entries(json)) {
    if (Object.hasOwn(FIXED, field) && !FIXED[field](value)) throw fail(field, `${JSON.stringify(value)} is not supported`);
    if (!Object.hasOwn(FIXED, field) && !IGNORED.has(field) && !known.has(field))
      notes.push(`${source}: ${field} is no field of data2vec-vision; it has no effect`);
  }

  const flag = (field: string, otherwise: boolean) => {
    const value = json[field] ?? otherwise;
    if (typeof value !== "boolean") throw fail(field, `expected true or false, got ${JSON.stringify(value)}`);
    return value;
  };
  const get = (key: keyof typeof FIELDS) => {
    const [field, otherwise] = FIELDS[key];
    return json[field] === undefined ? otherwise : json[field];
  };
  const square = (key: "imageSize" | "patchSize") => {
    const value = get(key);
    return Array.isArray(value) && value.length === 2 && value[0] === value[1] ? value[0] : value;
  };
  const layerScale = get("layerScale");
  const perBlock = flag("use_relative_position_bias", false);
  const shared = flag("use_shared_relative_position_bias", false);
  const candidate = {
    ...Object.fromEntries(Object.keys(FIELDS).map((key) => [key, get(key as keyof typeof FIELDS)])),
    imageSize: square("imageSize"),
    patchSize: square("patchSize"),
    mlpRatio: Number(get("mlpRatio")) / Number(get("dim")),
    layerScale: typeof layerScale === "number" && layerScale <= 0 ? null : layerScale,
    relativePositionBias: shared ? (perBlock ? "both" : "shared") : perBlock ? "perBlock" : "none",
  };
  const result = visionNetworkSchema.safeParse(candidate);
  if (!result.success) {
    const [issue] = result.error.issues;
    const key = issue.path[0] as keyof typeof FIELDS;
    throw fail(FIELDS[key][0], `${JSON.stringify(get(key))} is not supported: ${issue.message}`);
  }
  return {
    model: result.data,
    meanPooling: flag("use_mean_pooling", true),
    labels: labelsOf(json, fail),
    problemType: problemTypeOf(json.problem_type, fail),
    isClassifier: architectures.includes("Data2VecVisionForImageClassification"),
    notes,
  };
}

/** `config.json` for a model. */
export function visionToConfig({ model, meanPooling, labels, problemType }: VisionModel, { maskToken }: { maskToken: boolean }): object {
  const { relativePositionBias: bias } = model;
  return {
    architectures: [labels === null ? "Data2VecVisionModel" : "Data2VecVisionForImageClassification"],
    model_type: "data2vec-vision",
    hidden_size: model.dim,
    num_hidden_layers: model.depth,
    num_attention_heads: model.heads,
    intermediate_size: ffnDim(model),
    hidden_act: "gelu",
    hidden_dropout_prob: model.dropout,
    attention_probs_dropout_prob: model.attentionDropout,
    drop_path_rate: model.dropPath,
    initializer_range: model.initStd,
    layer_norm_eps: model.layerNormEps,
    image_size: model.imageSize,
    patch_size: model.patchSize,
    num_channels: model.channels,
    use_mask_token: maskToken,
    use_absolute_position_embeddings: model.absolutePositions,
    use_relative_position_bias: bias === "perBlock" || bias === "both",
    use_shared_relative_position_bias: bias === "shared" || bias === "both",
    layer_scale_init_value: model.layerScale ?? 0,
    use_mean_pooling: meanPooling,
    ...(labels && {
      id2label: Object.fromEntries(labels.map((label, id) => [id, label])),
      label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
      problem_type: `${problemType}_label_classification`,
    }),
    torch_dtype: "float32",
  };
}

function problemTypeOf(value: unknown, fail: Fail): "single" | "multi" {
  if (value === undefined || value === null || value === "single_label_classification") return "single";
  if (value === "multi_label_classification") return "multi";
  throw fail("problem_type", `${JSON.stringify(value)} is not supported`);
}
