/** `config.json` of Hugging Face's `data2vec-audio`, field by field: each one is used, or refused where it asks for something else. */
import { CheckpointError } from "../../checkpoint/error.js";
import { type Fail, isRecord, labelsOf } from "../../checkpoint/huggingface-config.js";
import { vocabularyOf } from "../../data/audio/vocabulary.js";
import { ffnDim, type SpeechModelConfig, type SpeechNetworkConfig, speechNetworkSchema } from "./config.js";

/** What a speech model can be for. */
export type SpeechTask = "classify" | "ctc";

/** What a model is, beside its parameters. */
export interface SpeechModel {
  model: SpeechNetworkConfig;
  /** What its head is for; null for a body alone. */
  task: SpeechTask | null;
  /** Names of the outputs, in the order of the logits: classes or symbols. */
  outputs: string[] | null;
}

/** What a file says of a model. */
export interface DescribedSpeechModel {
  model: SpeechNetworkConfig;
  /** The task that the file names, or null. */
  task: SpeechTask | null;
  /** Names of classes and number of symbols, also where the model turns out to have no such head. */
  labels: string[];
  symbols: number;
  /** Which symbol is the blank. */
  blank: number;
  notes: string[];
}

const ARCHITECTURES: Record<string, SpeechTask | null> = {
  Data2VecAudioModel: null,
  Data2VecAudioForCTC: "ctc",
  Data2VecAudioForSequenceClassification: "classify",
};

/** Fields that only training there, heads that aren't there, text generation or the library's own bookkeeping read. */
const IGNORED = new Set(
  `_name_or_path _commit_hash _attn_implementation attn_implementation transformers_version torch_dtype dtype model_type architectures
  mask_time_prob mask_time_length mask_time_min_masks mask_feature_prob mask_feature_length mask_feature_min_masks apply_spec_augment
  ctc_loss_reduction ctc_zero_infinity adapter_kernel_size adapter_stride num_adapter_layers output_hidden_size tdnn_dim tdnn_kernel
  tdnn_dilation xvector_output_dim problem_type gradient_checkpointing chunk_size_feed_forward output_attentions output_hidden_states
  output_scores return_dict return_dict_in_generate torchscript use_bfloat16 tf_legacy_loss finetuning_task task_specific_params
  tie_word_embeddings tie_encoder_decoder is_encoder_decoder decoder_start_token_id cross_attention_hidden_size bos_token_id eos_token_id
  sep_token_id tokenizer_class prefix max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature
  top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids
  num_return_sequences remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens forced_bos_token_id
  forced_eos_token_id use_cache`.split(/\s+/),
);

/** Fields that mean nothing at these values, and that nothing here can do at others. */
const FIXED: Record<string, (value: unknown) => boolean> = {
  hidden_act: (value) => value === "gelu",
  feat_extract_activation: (value) => value === "gelu",
  add_adapter: (value) => value !== true,
  use_weighted_layer_sum: (value) => value !== true,
  is_decoder: (value) => value !== true,
  add_cross_attention: (value) => value !== true,
  pruned_heads: (value) => isRecord(value) && Object.keys(value).length === 0,
  quantization_config: (value) => value === null,
};

/**
 * The field of each key of a network; the defaults are those of Hugging Face's class, which old files rely on. `padded_positions` is ours
 * alone: the class there knows but one way.
 */
const FIELDS = {
  convDims: ["conv_dim", [512, 512, 512, 512, 512, 512, 512]],
  convKernels: ["conv_kernel", [10, 3, 3, 3, 3, 2, 2]],
  convStrides: ["conv_stride", [5, 2, 2, 2, 2, 2, 2]],
  convBias: ["conv_bias", false],
  dim: ["hidden_size", 768],
  depth: ["num_hidden_layers", 12],
  heads: ["num_attention_heads", 12],
  mlpRatio: ["intermediate_size", 3072],
  layerNormEps: ["layer_norm_eps", 1e-5],
  posConvLayers: ["num_conv_pos_embeddings", 5],
  posConvKernel: ["conv_pos_kernel_size", 19],
  posConvGroups: ["num_conv_pos_embedding_groups", 16],
  paddedPositions: ["padded_positions", "leak"],
  dropout: ["hidden_dropout", 0.1],
  attentionDropout: ["attention_dropout", 0.1],
  activationDropout: ["activation_dropout", 0.1],
  featureDropout: ["feat_proj_dropout", 0],
  finalDropout: ["final_dropout", 0.1],
  layerDrop: ["layerdrop", 0.1],
  classifierDim: ["classifier_proj_size", 256],
  initStd: ["initializer_range", 0.02],
} as const satisfies Partial<Record<keyof SpeechNetworkConfig, readonly [string, unknown]>>;

const OTHER_FIELDS = ["num_feat_extract_layers", "vocab_size", "pad_token_id", "id2label", "label2id", "num_labels"];

/**
 * Reads a parsed `config.json`.
 *
 * @param source names the file in messages
 * @throws CheckpointError naming the field that is wrong, or asks for what isn't supported
 */
export function speechFromConfig(json: unknown, source = "config.json"): DescribedSpeechModel {
  if (!isRecord(json)) throw new CheckpointError(`${source}: expected a JSON object`);
  const fail: Fail = (field, reason) => new CheckpointError(`${source}: ${field}: ${reason}`);
  if (json.model_type !== "data2vec-audio") throw fail("model_type", `expected "data2vec-audio", got ${JSON.stringify(json.model_type)}`);
  const architectures: unknown[] = Array.isArray(json.architectures) ? json.architectures : [];
  for (const name of architectures) {
    if (typeof name === "string" && Object.hasOwn(ARCHITECTURES, name)) continue;
    throw fail("architectures", `${JSON.stringify(name)} is not supported, only ${Object.keys(ARCHITECTURES).join(", ")}`);
  }
  const known = new Set<string>([...Object.values(FIELDS).map(([field]) => field), ...OTHER_FIELDS]);
  const notes: string[] = [];
  for (const [field, value] of Object.entries(json)) {
    if (Object.hasOwn(FIXED, field) && !FIXED[field](value)) throw fail(field, `${JSON.stringify(value)} is not supported`);
    if (!Object.hasOwn(FIXED, field) && !IGNORED.has(field) && !known.has(field))
      notes.push(`${source}: ${field} is no field of data2vec-audio; it has no effect`);
  }

  const get = (key: keyof typeof FIELDS): unknown => json[FIELDS[key][0]] ?? FIELDS[key][1];
  const candidate = {
    ...Object.fromEntries(Object.keys(FIELDS).map((key) => [key, get(key as keyof typeof FIELDS)])),
    mlpRatio: Number(get("mlpRatio")) / Number(get("dim")),
    featureGradScale: 1,
  };
  const result = speechNetworkSchema.safeParse(candidate);
  if (!result.success) {
    const [issue] = result.error.issues;
    const key = issue.path[0] as keyof typeof FIELDS;
    throw fail(FIELDS[key][0], `${JSON.stringify(get(key))} is not supported: ${issue.message}`);
  }
  const model = result.data;
  const layers = json.num_feat_extract_layers ?? model.convDims.length;
  if (layers !== model.convDims.length)
    throw fail("num_feat_extract_layers", `${layers}, but conv_dim has ${model.convDims.length} numbers`);
  const task = architectures.map((name) => ARCHITECTURES[name as string]).find((found) => found !== null) ?? null;
  return { model, task, labels: labelsOf(json, fail), ...symbolsOf(json, fail), notes };
}

/** `config.json` for a model; `masks` are what Hugging Face masks with when it trains it further. */
export function speechToConfig(
  { model, task, outputs }: SpeechModel,
  masks: Pick<SpeechModelConfig, "maskProb" | "maskLength" | "maskMinMasks" | "channelMaskProb" | "channelMaskLength">,
): object {
  const architecture = Object.keys(ARCHITECTURES).find((name) => ARCHITECTURES[name] === task);
  const keys = (Object.keys(FIELDS) as (keyof typeof FIELDS)[]).filter((key) => key !== "paddedPositions" || model[key] !== "leak");
  return {
    architectures: [architecture],
    model_type: "data2vec-audio",
    ...Object.fromEntries(keys.map((key) => [FIELDS[key][0], model[key]])),
    intermediate_size: ffnDim(model),
    num_feat_extract_layers: model.convDims.length,
    hidden_act: "gelu",
    feat_extract_activation: "gelu",
    mask_time_prob: masks.maskProb,
    mask_time_length: masks.maskLength,
    mask_time_min_masks: masks.maskMinMasks,
    mask_feature_prob: masks.channelMaskProb,
    mask_feature_length: masks.channelMaskLength,
    mask_feature_min_masks: 0,
    add_adapter: false,
    use_weighted_layer_sum: false,
    ...(task === "ctc" && { vocab_size: outputs!.length, ctc_loss_reduction: "sum", ctc_zero_infinity: true, ...tokenIds(outputs!) }),
    ...(task === "classify" && {
      id2label: Object.fromEntries(outputs!.map((label, id) => [id, label])),
      label2id: Object.fromEntries(outputs!.map((label, id) => [label, id])),
    }),
    torch_dtype: "float32",
  };
}

/** Ids of the symbols that have a meaning there; null where the vocabulary lacks one. */
function tokenIds(symbols: readonly string[]): object {
  const id = (symbol: string) => (symbols.includes(symbol) ? symbols.indexOf(symbol) : null);
  return { pad_token_id: vocabularyOf(symbols).blank, bos_token_id: id("<s>"), eos_token_id: id("</s>") };
}

function symbolsOf({ vocab_size: symbols = 32, pad_token_id: blank = 0 }: Record<string, unknown>, fail: Fail) {
  if (!Number.isSafeInteger(symbols) || (symbols as number) < 1 || (symbols as number) > 1e6) {
    throw fail("vocab_size", `${JSON.stringify(symbols)} is no number of symbols`);
  }
  if (!Number.isSafeInteger(blank) || (blank as number) < 0) throw fail("pad_token_id", `${JSON.stringify(blank)} is no id of a symbol`);
  return { symbols: symbols as number, blank: blank as number };
}
