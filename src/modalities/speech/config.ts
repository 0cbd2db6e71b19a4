/** The configuration of speech: what may be set under `model.*` and `data.*`, and what each key means. */
import { z } from "zod";
import { trainSchema } from "../../config/train.js";
import { methodShape } from "../../data2vec/config.js";
import { frameCount, receptiveField } from "./frames.js";

/** Samples of a second: what the published models hear, and what data of other rates are resampled to. */
export const SAMPLE_RATE = 16_000;

const rate = () => z.number().min(0).lt(1);
const perConvolution = (largest: number) => z.array(z.int().min(1).max(largest)).min(1).max(16);
const spanLength = () => z.int().min(1).max(65536);

/** Keys that a trained model fixes; the others of `model.*` only matter while training. */
const architectureShape = {
  convDims: perConvolution(16384).describe("Channels of the convolutions that make frames of a waveform, the first one first."),
  convKernels: perConvolution(1000).describe("Width of each of these convolutions."),
  convStrides: perConvolution(1000).describe("Step of each of these convolutions."),
  convBias: z.boolean().describe("Whether these convolutions have a bias."),
  dim: z.int().min(1).max(16384).describe("Width of the Transformer; a multiple of heads."),
  depth: z.int().min(1).max(1000).describe("Number of blocks."),
  heads: z.int().min(1).max(1024).describe("Attention heads of a block."),
  mlpRatio: z.number().gt(0).max(64).describe("Width of the feed-forward network over dim."),
  layerNormEps: z.number().gt(0).max(1).describe("Added to the variance in the layer norms behind the convolutions."),
  posConvLayers: z.int().min(1).max(64).describe("Convolutions that give the frames their positions."),
  posConvKernel: z.int().min(1).max(999).describe("Width of each of these convolutions, in frames; odd."),
  posConvGroups: z.int().min(1).max(1024).describe("Groups of their channels; divides dim."),
};

const trainingShape = {
  paddedPositions: z
    .enum(["leak", "masked"])
    .describe(
      "What padding is to the convolutions of the positions: it leaks into the last frames of shorter clips, as in the published models, or " +
        "it is masked before each.",
    ),
  dropout: rate().describe("Dropout of the embeddings and of each residual branch."),
  attentionDropout: rate().describe("Dropout of the attention probabilities."),
  activationDropout: rate().describe("Dropout inside of the feed-forward network."),
  featureDropout: rate().describe("Dropout of the projected features."),
  finalDropout: rate().describe("Fine-tuning for ctc: dropout before the layer of the symbols."),
  layerDrop: rate().describe("Probability to skip a whole block for a sample."),
  classifierDim: z.int().min(1).max(16384).describe("Fine-tuning for classify: width of the layer before the mean over the frames."),
  featureGradScale: z
    .number()
    .min(0)
    .max(10)
    .describe("Factor on the gradient of the convolutions that make frames; 0 leaves them as they are."),
  initStd: z.number().gt(0).max(1).describe("Standard deviation of the initial weights of the blocks."),
};

const maskShape = {
  maskProb: z.number().min(0).max(10).describe("Frames of all masked spans over frames of a clip, before spans overlap; 0 masks nothing."),
  maskLength: spanLength().describe("Frames of a masked span; at most a third of a clip."),
  maskMinMasks: z.int().min(0).max(65536).describe("Least number of masked spans in a clip."),
  channelMaskProb: z.number().min(0).max(10).describe("Fine-tuning: as maskProb, of channels that are hidden in all frames of a clip."),
  channelMaskLength: spanLength().describe("Fine-tuning: channels of a hidden span."),
};

const pretrainingShape = {
  emaPositions: z
    .enum(["copied", "averaged"])
    .describe("Pretraining: whether the teacher takes the convolutions of the positions from the student as they are, or averages them."),
};

const networkShape = { ...architectureShape, ...trainingShape };

/** What makes the sizes of a network contradict each other, by key. */
function* contradictions(model: SpeechArchitecture): Generator<[keyof SpeechArchitecture, string]> {
  const { convDims, convKernels, convStrides, dim, heads, mlpRatio, posConvKernel, posConvGroups } = model;
  for (const [key, list] of Object.entries({ convKernels, convStrides }) as ["convKernels" | "convStrides", number[]][]) {
    if (list.length !== convDims.length) yield [key, `expected ${convDims.length} numbers as in model.convDims, got ${list.length}`];
  }
  if (dim % heads !== 0) yield ["heads", `${heads} doesn't divide model.dim (${dim})`];
  if (dim % posConvGroups !== 0) yield ["posConvGroups", `${posConvGroups} doesn't divide model.dim (${dim})`];
  if (posConvKernel % 2 === 0) yield ["posConvKernel", `expected an odd number, got ${posConvKernel}`];
  const width = dim * mlpRatio;
  if (Math.round(width) < 1 || Math.abs(width - Math.round(width)) > 1e-6) {
    yield ["mlpRatio", `${mlpRatio} x model.dim (${dim}) is no whole number`];
  }
}

/** Schema of the part of `model.*` that makes a network, without the method. */
export const speechNetworkSchema = z.strictObject(networkShape).superRefine((network, context) => {
  for (const [key, message] of contradictions(network)) context.addIssue({ code: "custom", path: [key], message });
});

/** Schema of `model.*`. */
export const speechModelSchema = z
  .strictObject({ ...networkShape, ...methodShape, ...maskShape, ...pretrainingShape })
  .superRefine((model, context) => {
    const issue = (key: keyof typeof model, message: string) => context.addIssue({ code: "custom", path: [key], message });
    for (const [key, message] of contradictions(model)) issue(key, message);
    if (model.averageTopKLayers > model.depth) {
      issue("averageTopKLayers", `expected at most model.depth (${model.depth}), got ${model.averageTopKLayers}`);
    }
  });

/** Schema of `data.*`. */
export const speechDataSchema = z
  .strictObject({
    normalize: z.boolean().describe("Zero mean and unit variance over each whole clip."),
    minSeconds: z.number().min(0).max(3600).describe("Training: shorter clips are left out."),
    maxSeconds: z
      .number()
      .gt(0)
      .max(3600)
      .describe("Pretraining: the longest crop of a clip. Fine-tuning: longer clips are left out of training."),
    joinSeconds: z
      .number()
      .min(0)
      .max(3600)
      .describe(
        "Pretraining: shorter clips are followed by others, drawn at random, up to this length, so that the place of a frame says nothing about it.",
      ),
    batchSeconds: z
      .number()
      .gt(0)
      .max(86_400)
      .describe("Most seconds of audio in a micro-batch, padding counted, beside train.batchSize, which is then the most clips."),
    vocabulary: z
      .enum(["published", "transcripts"])
      .describe("Fine-tuning for ctc: the 32 symbols of the published English models, or the characters of the transcripts."),
    letterCase: z.enum(["upper", "lower", "keep"]).describe("Fine-tuning for ctc: what is done to the letters of transcripts."),
    labelSmoothing: rate().describe("Fine-tuning for classify: part of a label that is spread over all classes."),
    workers: z
      .int()
      .min(0)
      .max(256)
      .describe("Threads that read and decode clips; 0 does it in the main thread. Results don't depend on it."),
  })
  .superRefine((data, context) => {
    const issue = (key: keyof typeof data, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (data.minSeconds > data.maxSeconds) {
      issue("minSeconds", `expected at most data.maxSeconds (${data.maxSeconds}), got ${data.minSeconds}`);
    }
    if (data.joinSeconds > data.maxSeconds)
      issue("joinSeconds", `expected at most data.maxSeconds (${data.maxSeconds}), got ${data.joinSeconds}`);
    if (data.maxSeconds > data.batchSeconds) {
      issue("batchSeconds", `expected at least data.maxSeconds (${data.maxSeconds}), got ${data.batchSeconds}`);
    }
    if (data.vocabulary === "published" && data.letterCase !== "upper") {
      issue("letterCase", `expected upper with data.vocabulary published, got ${data.letterCase}`);
    }
  });

/** Schema of a speech run. */
export const speechSchema = z
  .strictObject({ model: speechModelSchema, data: speechDataSchema, train: trainSchema })
  .superRefine(({ model, data, train }, context) => {
    const longest = Math.floor(data.maxSeconds * SAMPLE_RATE);
    if (frameCount(longest, model) < 2) {
      const message = `expected two frames or more (${receptiveField(model)} samples make one), got ${longest} samples`;
      context.addIssue({ code: "custom", path: ["data", "maxSeconds"], message });
    }
    if (model.featureGradScale === 0 && train.weightDecay > 0) {
      const message = `expected 0 with model.featureGradScale 0, got ${train.weightDecay}: it would shrink convolutions that aren't trained`;
      context.addIssue({ code: "custom", path: ["train", "weightDecay"], message });
    }
  });

/** Values of `model.*`. */
export type SpeechModelConfig = z.output<typeof speechModelSchema>;
/** The part of `model.*` that makes a network. */
export type SpeechNetworkConfig = z.output<typeof speechNetworkSchema>;
/** The part of `model.*` that a trained model fixes. */
export type SpeechArchitecture = z.output<z.ZodObject<typeof architectureShape>>;
/** Values of `data.*`. */
export type SpeechDataConfig = z.output<typeof speechDataSchema>;
/** The configuration of a speech run. */
export type SpeechConfig = z.output<typeof speechSchema>;

/** Those keys of a model's configuration that a trained model fixes. */
export function speechArchitecture(model: SpeechArchitecture): SpeechArchitecture {
  return Object.fromEntries(
    Object.keys(architectureShape).map((key) => [key, model[key as keyof SpeechArchitecture]]),
  ) as SpeechArchitecture;
}

/** Width of the feed-forward network. */
export function ffnDim({ dim, mlpRatio }: SpeechArchitecture): number {
  return Math.round(dim * mlpRatio);
}
