/** `config.json` of Hugging Face's `data2vec-text`, field by field: each one is used, or refused where it asks for something else. */
import { CheckpointError } from "../../checkpoint/error.js";
import { type Fail, isRecord, labelsOf } from "../../checkpoint/huggingface-config.js";
import { type GlueName, glueName } from "../../data/text/glue.js";
import { ffnDim, type TextNetworkConfig, textNetworkSchema } from "./config.js";
import { positionRows } from "./encoder.js";

/** What a model's head was made for: one class, any number of classes, or a value; null is a body alone. */
export type TextProblem = "single" | "multi" | "regression" | null;

/** Ids of special tokens that a file names beside the padding. */
export interface TextTokenIds {
  bos: number;
  eos: number;
}

/** What a model is, beside its parameters. */
export interface TextModel {
  model: TextNetworkConfig;
  problem: TextProblem;
  /** Names of the outputs, in their order; null for a body alone. */
  labels: string[] | null;
  tokens: TextTokenIds;
  /** The task of GLUE that the head learned, or null. */
  benchmark?: GlueName | null;
}

/** Models whose body is read here; the head of the first is, the others' heads are left out. */
const CLASSIFIER = "Data2VecTextForSequenceClassification";
const ARCHITECTURES = [
  "Data2VecTextModel",
  CLASSIFIER,
  "Data2VecTextForMaskedLM",
  "Data2VecTextForCausalLM",
  "Data2VecTextForTokenClassification",
  "Data2VecTextForQuestionAnswering",
  "Data2VecTextForMultipleChoice",
];

/** Fields that only generation of text or the library's own bookkeeping read. */
const IGNORED = new Set(
  `_name_or_path _commit_hash _attn_implementation attn_implementation transformers_version torch_dtype dtype model_type architectures
  chunk_size_feed_forward output_attentions output_hidden_states output_scores return_dict return_dict_in_generate torchscript use_bfloat16
  tf_legacy_loss task_specific_params tie_word_embeddings tie_encoder_decoder is_encoder_decoder decoder_start_token_id
  cross_attention_hidden_size sep_token_id tokenizer_class prefix max_length min_length do_sample early_stopping num_beams num_beam_groups
  diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size
  encoder_no_repeat_ngram_size bad_words_ids num_return_sequences remove_invalid_values exponential_decay_length_penalty
  suppress_tokens begin_suppress_tokens forced_bos_token_id forced_eos_token_id use_cache gradient_checkpointing`.split(/\s+/),
);

/** Fields that mean nothing at these values, and that nothing here can do at others. */
const FIXED: Record<string, (value: unknown) => boolean> = {
  hidden_act: (value) => value === "gelu",
  position_embedding_type: (value) => value === "absolute",
  is_decoder: (value) => value !== true,
  add_cross_attention: (value) => value !== true,
  pruned_heads: (value) => isRecord(value) && Object.keys(value).length === 0,
  quantization_config: (value) => value === null,
};

/** The field of each key of a network; the defaults are those of Hugging Face's class, which old files rely on. */
const FIELDS = {
  vocabSize: ["vocab_size", 30522],
  maxPositions: ["max_position_embeddings", 512],
  typeVocabSize: ["type_vocab_size", 2],
  paddingId: ["pad_token_id", 1],
  dim: ["hidden_size", 768],
  depth: ["num_hidden_layers", 12],
  heads: ["num_attention_heads", 12],
  mlpRatio: ["intermediate_size", 3072],
  layerNormEps: ["layer_norm_eps", 1e-12],
  dropout: ["hidden_dropout_prob", 0.1],
  attentionDropout: ["attention_probs_dropout_prob", 0.1],
  classifierDropout: ["classifier_dropout", null],
  initStd: ["initializer_range", 0.02],
} as const satisfies Partial<Record<keyof TextNetworkConfig, readonly [string, unknown]>>;

const OTHER_FIELDS = ["bos_token_id", "eos_token_id", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task"];

/** What a file says of a {@link TextModel}. */
export interface DescribedTextModel extends Omit<TextModel, "problem" | "labels"> {
  /** What its head would be for, also where the model turns out to have none. */
  problem: Exclude<TextProblem, null>;
  labels: string[];
  /** The file says that the model has a head for sequences. */
  isClassifier: boolean;
  notes: string[];
}

/**
 * Reads a parsed `config.json`.
 *
 * @param source names the file in messages
 * @throws CheckpointError naming the field that is wrong, or asks for what isn't supported
 */
export function textFromConfig(json: unknown, source = "config.json"): DescribedTextModel {
  if (!isRecord(json)) throw new CheckpointError(`${source}: expected a JSON object`);
  const fail = (field: string, reason: string) => new CheckpointError(`${source}: ${field}: ${reason}`);
  if (json.model_type !== "data2vec-text") throw fail("model_type", `expected "data2vec-text", got ${JSON.stringify(json.model_type)}`);
  const architectures = Array.isArray(json.architectures) ? json.architectures : [];
  for (const name of architectures) {
    if (!ARCHITECTURES.includes(name))
      throw fail("architectures", `${JSON.stringify(name)} is not supported, only ${ARCHITECTURES.join(", ")}`);
  }
  const known = new Set<string>([...Object.values(FIELDS).map(([field]) => field), ...OTHER_FIELDS]);
  const notes: string[] = [];
  for (const [field, value] of Object.entries(json)) {
    if (Object.hasOwn(FIXED, field) && !FIXED[field](value)) throw fail(field, `${JSON.stringify(value)} is not supported`);
    if (!Object.hasOwn(FIXED, field) && !IGNORED.has(field) && !known.has(field))
      notes.push(`${source}: ${field} is no field of data2vec-text; it has no effect`);
  }

  const get = (key: keyof typeof FIELDS) => {
    const [field, otherwise] = FIELDS[key];
    return json[field] === undefined ? otherwise : json[field];
  };
  const candidate = {
    ...Object.fromEntries(Object.keys(FIELDS).map((key) => [key, get(key as keyof typeof FIELDS)])),
    maxPositions: Number(get("maxPositions")) - Number(get("paddingId")) - 1,
    mlpRatio: Number(get("mlpRatio")) / Number(get("dim")),
    classifierDropout: get("classifierDropout") ?? get("dropout"),
    activationDropout: 0,
    layerDrop: 0,
  };
  const result = textNetworkSchema.safeParse(candidate);
  if (!result.success) {
    const [issue] = result.error.issues;
    const key = issue.path[0] as keyof typeof FIELDS;
    throw fail(FIELDS[key][0], `${JSON.stringify(get(key))} is not supported: ${issue.message}`);
  }
  const tokenId = (field: string, otherwise: number) => {
    const value = json[field] ?? otherwise;
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw fail(field, `expected an id, got ${JSON.stringify(value)}`);
    return value as number;
  };
  const labels = labelsOf(json, fail);
  return {
    model: result.data,
    tokens: { bos: tokenId("bos_token_id", 0), eos: tokenId("eos_token_id", 2) },
    labels,
    benchmark: glueName(json.finetuning_task),
    problem: problemOf(json.problem_type, labels.length, fail),
    isClassifier: architectures.includes(CLASSIFIER),
    notes,
  };
}

/** `config.json` for a model. */
export function textToConfig({ model, problem, labels, tokens, benchmark }: TextModel): object {
  return {
    architectures: [labels === null ? "Data2VecTextModel" : CLASSIFIER],
    model_type: "data2vec-text",
    vocab_size: model.vocabSize,
    max_position_embeddings: positionRows(model),
    // Hugging Face always has a table of token types.
    type_vocab_size: Math.max(1, model.typeVocabSize),
    hidden_size: model.dim,
    num_hidden_layers: model.depth,
    num_attention_heads: model.heads,
    intermediate_size: ffnDim(model),
    hidden_act: "gelu",
    position_embedding_type: "absolute",
    hidden_dropout_prob: model.dropout,
    attention_probs_dropout_prob: model.attentionDropout,
    classifier_dropout: model.classifierDropout,
    initializer_range: model.initStd,
    layer_norm_eps: model.layerNormEps,
    bos_token_id: tokens.bos,
    pad_token_id: model.paddingId,
    eos_token_id: tokens.eos,
    ...(labels && {
      id2label: Object.fromEntries(labels.map((label, id) => [id, label])),
      label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
      problem_type: problem === "regression" ? "regression" : `${problem}_label_classification`,
    }),
    ...(benchmark && { finetuning_task: benchmark }),
    torch_dtype: "float32",
  };
}

function problemOf(value: unknown, outputs: number, fail: Fail): Exclude<TextProblem, null> {
  // Where nothing is said, Hugging Face takes a single output for a value.
  if (value === undefined || value === null) return outputs === 1 ? "regression" : "single";
  if (value === "single_label_classification") return "single";
  if (value === "multi_label_classification") return "multi";
  if (value === "regression") return "regression";
  throw fail("problem_type", `${JSON.stringify(value)} is not supported`);
}
