/** The configuration of text: what may be set under `model.*` and `data.*`, and what each key means. */
import { z } from "zod";
import { trainSchema } from "../../config/train.js";
import { methodShape } from "../../data2vec/config.js";

const rate = () => z.number().min(0).lt(1);

/** Keys that a trained model fixes; the others of `model.*` only matter while training. */
const architectureShape = {
  vocabSize: z.int().min(5).max(1_048_576).describe("Rows of the table of tokens; a tokenizer that is trained gets so many tokens."),
  maxPositions: z.int().min(1).max(65536).describe("Longest sequence, in tokens."),
  typeVocabSize: z
    .int()
    .min(0)
    .max(1024)
    .describe("Kinds of tokens that a table of their own tells apart (token types); 0 is no such table."),
  paddingId: z.int().min(0).max(1_048_575).describe("Id of the token that fills a batch up; that of the tokenizer."),
  dim: z.int().min(1).max(16384).describe("Width of the Transformer; a multiple of heads."),
  depth: z.int().min(1).max(1000).describe("Number of blocks."),
  heads: z.int().min(1).max(1024).describe("Attention heads of a block."),
  mlpRatio: z.number().gt(0).max(64).describe("Width of the feed-forward network over dim."),
  layerNormEps: z.number().gt(0).max(1).describe("Added to the variance in the layer norms."),
};

const trainingShape = {
  dropout: rate().describe("Dropout of the embeddings and of each residual branch."),
  attentionDropout: rate().describe("Dropout of the attention probabilities."),
  activationDropout: rate().describe("Dropout inside of the feed-forward network."),
  layerDrop: rate().describe("Probability to skip a whole block for a sample."),
  classifierDropout: rate().describe("Fine-tuning: dropout before the head's hidden layer and after it."),
  initStd: z.number().gt(0).max(1).describe("Standard deviation of the initial weights."),
};

const pretrainingShape = {
  headLayers: z
    .int()
    .min(1)
    .max(2)
    .describe("Pretraining: layers of the prediction head; two have a GELU and twice the width between them."),
  maskStyle: z
    .enum(["span", "bert"])
    .describe(
      "Pretraining: spans that all become <mask>, or single tokens of which 80 % become <mask>, 10 % another token and 10 % stay; the loss " +
        "is taken where <mask> stands.",
    ),
  maskProb: z.number().gt(0).max(1).describe("Pretraining: part of the tokens that is drawn; spans may overlap, which masks less."),
  maskSpan: z.int().min(1).max(65536).describe("Pretraining: tokens of a span; for single tokens 1."),
};

const networkShape = { ...architectureShape, ...trainingShape };

/** What makes the sizes of a network contradict each other, by key. */
function* contradictions({ vocabSize, paddingId, dim, heads, mlpRatio }: TextArchitecture): Generator<[keyof TextArchitecture, string]> {
  if (paddingId >= vocabSize) yield ["paddingId", `expected an id below model.vocabSize (${vocabSize}), got ${paddingId}`];
  if (dim % heads !== 0) yield ["heads", `${heads} doesn't divide model.dim (${dim})`];
  const width = dim * mlpRatio;
  if (Math.round(width) < 1 || Math.abs(width - Math.round(width)) > 1e-6) {
    yield ["mlpRatio", `${mlpRatio} x model.dim (${dim}) is no whole number`];
  }
}

/** Schema of the part of `model.*` that makes a network, without the method. */
export const textNetworkSchema = z.strictObject(networkShape).superRefine((network, context) => {
  for (const [key, message] of contradictions(network)) context.addIssue({ code: "custom", path: [key], message });
});

/** Schema of `model.*`. */
export const textModelSchema = z.strictObject({ ...networkShape, ...methodShape, ...pretrainingShape }).superRefine((model, context) => {
  const issue = (key: keyof typeof model, message: string) => context.addIssue({ code: "custom", path: [key], message });
  for (const [key, message] of contradictions(model)) issue(key, message);
  if (model.averageTopKLayers > model.depth) {
    issue("averageTopKLayers", `expected at most model.depth (${model.depth}), got ${model.averageTopKLayers}`);
  }
  if (model.maskStyle === "bert" && model.maskSpan !== 1) issue("maskSpan", `expected 1 with model.maskStyle bert, got ${model.maskSpan}`);
});

/** Schema of `data.*`. */
export const textDataSchema = z.strictObject({
  tokenizer: z
    .string()
    .min(1)
    .nullable()
    .describe(
      "Folder of a tokenizer (tokenizer.json, vocab.json with merges.txt, or fairseq's dict.txt); null takes that of the model, or trains " +
        "one of model.vocabSize tokens on the corpus.",
    ),
  tokensPerSample: z.int().min(3).max(65536).describe("Longest sample in tokens, <s> and </s> included; longer texts are cut."),
  packing: z
    .enum(["complete_doc", "complete", "none", "eos"])
    .describe(
      "Pretraining: whole sentences of one document up to tokensPerSample; of the whole corpus; pieces of that length; or one sentence a sample.",
    ),
  batchTokens: z
    .int()
    .min(1)
    .max(1e8)
    .nullable()
    .describe(
      "Pretraining: most tokens of a batch, padding included, beside train.batchSize, which is then the most samples; null is no such limit.",
    ),
  cache: z
    .string()
    .min(1)
    .nullable()
    .describe(
      "Pretraining: folder where the corpus is kept as token ids for the next time; null reads it anew and keeps the ids in memory.",
    ),
  textField: z.string().min(1).max(256).describe("Field of JSON lines, or column of Parquet, that holds the text of a corpus."),
});

/** Schema of a text run. */
export const textSchema = z
  .strictObject({ model: textModelSchema, data: textDataSchema, train: trainSchema })
  .superRefine((config, context) => {
    const { model, data } = config;
    const issue = (key: keyof typeof data, message: string) => context.addIssue({ code: "custom", path: ["data", key], message });
    if (data.tokensPerSample > model.maxPositions) {
      issue("tokensPerSample", `expected at most model.maxPositions (${model.maxPositions}), got ${data.tokensPerSample}`);
    }
    if (data.batchTokens !== null && data.batchTokens < data.tokensPerSample) {
      issue("batchTokens", `expected at least data.tokensPerSample (${data.tokensPerSample}), got ${data.batchTokens}`);
    }
  });

/** Values of `model.*`. */
export type TextModelConfig = z.output<typeof textModelSchema>;
/** The part of `model.*` that makes a network. */
export type TextNetworkConfig = z.output<typeof textNetworkSchema>;
/** The part of `model.*` that a trained model fixes. */
export type TextArchitecture = z.output<z.ZodObject<typeof architectureShape>>;
/** Values of `data.*`. */
export type TextDataConfig = z.output<typeof textDataSchema>;
/** The configuration of a text run. */
export type TextConfig = z.output<typeof textSchema>;

/** Those keys of a model's configuration that a trained model fixes. */
export function textArchitecture(model: TextArchitecture): TextArchitecture {
  return Object.fromEntries(Object.keys(architectureShape).map((key) => [key, model[key as keyof TextArchitecture]])) as TextArchitecture;
}

/** Width of the feed-forward network. */
export function ffnDim({ dim, mlpRatio }: TextArchitecture): number {
  return Math.round(dim * mlpRatio);
}
