/** The configuration of vision: what may be set under `model.*` and `data.*`, and what each key means. */
import { z } from "zod";
import { trainSchema } from "../../config/train.js";
import { methodShape } from "../../data2vec/config.js";

const probability = () => z.number().min(0).max(1);
const rate = () => z.number().min(0).lt(1);

/** Keys that a trained model fixes; the others of `model.*` only matter while training. */
const architectureShape = {
  imageSize: z.int().min(1).max(4096).describe("Height and width of the input, in pixels."),
  patchSize: z.int().min(1).max(1024).describe("Height and width of a patch, in pixels; divides imageSize."),
  channels: z.int().min(1).max(16).describe("Channels of an image: 1 grey, 3 RGB."),
  dim: z.int().min(1).max(16384).describe("Width of the Transformer; a multiple of heads."),
  depth: z.int().min(1).max(1000).describe("Number of blocks."),
  heads: z.int().min(1).max(1024).describe("Attention heads of a block."),
  mlpRatio: z.number().gt(0).max(64).describe("Width of the feed-forward network over dim."),
  layerNormEps: z.number().gt(0).max(1).describe("Added to the variance in the layer norms of the blocks."),
  layerScale: z
    .number()
    .gt(0)
    .max(10)
    .nullable()
    .describe("Initial value of the learned factor of each residual branch; null is no factor."),
  relativePositionBias: z
    .enum(["shared", "perBlock", "both", "none"])
    .describe("Learned bias of the attention by relative position: one table for all blocks, one for each, both, or none."),
  absolutePositions: z.boolean().describe("Learned absolute positions, added to the patches."),
};

const trainingShape = {
  dropPath: rate().describe("Probability to skip a residual branch, for the last block; it grows linearly from 0 in the first."),
  attentionDropout: rate().describe("Dropout of the attention probabilities."),
  dropout: rate().describe("Dropout of the embeddings and of each residual branch."),
  initStd: z.number().gt(0).max(1).describe("Standard deviation of the initial weights."),
};

const maskShape = {
  maskRatio: z.number().gt(0).max(1).describe("Pretraining: fraction of the patches to mask; block-wise masking may stop a little below."),
  maskMinPatches: z.int().min(1).max(65536).describe("Pretraining: smallest area of a masked block, in patches."),
  maskMaxPatches: z
    .int()
    .min(1)
    .max(65536)
    .nullable()
    .describe("Pretraining: largest area of a masked block, in patches; null is the whole image."),
  maskMinAspect: z.number().gt(0).max(1).describe("Pretraining: smallest aspect ratio of a masked block; the largest is its inverse."),
};

const networkShape = { ...architectureShape, ...trainingShape };

/** What makes the sizes of a network contradict each other, by key. */
function* contradictions({
  imageSize,
  patchSize,
  dim,
  heads,
  mlpRatio,
}: VisionArchitecture): Generator<[keyof VisionArchitecture, string]> {
  if (imageSize % patchSize !== 0) yield ["patchSize", `${patchSize} doesn't divide model.imageSize (${imageSize})`];
  if (dim % heads !== 0) yield ["heads", `${heads} doesn't divide model.dim (${dim})`];
  const width = dim * mlpRatio;
  if (Math.round(width) < 1 || Math.abs(width - Math.round(width)) > 1e-6) {
    yield ["mlpRatio", `${mlpRatio} x model.dim (${dim}) is no whole number`];
  }
}

/** Schema of the part of `model.*` that makes a network, without the method. */
export const visionNetworkSchema = z.strictObject(networkShape).superRefine((network, context) => {
  for (const [key, message] of contradictions(network)) context.addIssue({ code: "custom", path: [key], message });
});

/** Schema of `model.*`. */
export const visionModelSchema = z.strictObject({ ...networkShape, ...methodShape, ...maskShape }).superRefine((model, context) => {
  const issue = (key: keyof typeof model, message: string) => context.addIssue({ code: "custom", path: [key], message });
  for (const [key, message] of contradictions(model)) issue(key, message);
  const patches = patchCount(model);
  if (model.averageTopKLayers > model.depth) {
    issue("averageTopKLayers", `expected at most model.depth (${model.depth}), got ${model.averageTopKLayers}`);
  }
  if (model.maskMinPatches > patches) {
    issue("maskMinPatches", `expected at most the ${patches} patches of an image, got ${model.maskMinPatches}`);
  }
  if (model.maskMaxPatches !== null && model.maskMaxPatches < model.maskMinPatches) {
    issue("maskMaxPatches", `expected at least model.maskMinPatches (${model.maskMinPatches}), got ${model.maskMaxPatches}`);
  }
});

/** Schema of `data.*`. */
export const visionDataSchema = z
  .strictObject({
    cropScale: z
      .tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)])
      .describe("Smallest and largest area of a random crop, as a fraction of the image; [1, 1] with cropRatio [1, 1] is no crop."),
    cropRatio: z
      .tuple([z.number().gt(0).max(10), z.number().gt(0).max(10)])
      .describe("Smallest and largest aspect ratio of a random crop."),
    interpolation: z.enum(["bilinear", "bicubic"]).describe("How images are resized."),
    evaluationCrop: z
      .number()
      .gt(0)
      .max(1)
      .describe("Evaluation: the shorter side is resized to imageSize / evaluationCrop, then the centre is cropped."),
    flip: probability().describe("Probability of a horizontal flip."),
    colorJitter: z.number().min(0).max(1).describe("Largest relative change of brightness, contrast and saturation."),
    mean: z
      .array(z.number().min(-10).max(10))
      .min(1)
      .max(16)
      .describe("Subtracted from each channel, of pixels from 0 to 1: one number, or one for each channel."),
    std: z.array(z.number().gt(0).max(10)).min(1).max(16).describe("Each channel is divided by it: one number, or one for each channel."),
    randAugment: z
      .string()
      .regex(/^rand(-(mstd|inc|m|n)\d+(\.\d+)?)*$/)
      .meta({ examples: ["rand-m9-mstd0.5-inc1"] })
      .nullable()
      .describe("Fine-tuning: RandAugment in timm's notation; null is none."),
    erasing: probability().describe("Fine-tuning: probability to fill a random rectangle with noise."),
    mixup: z.number().min(0).max(100).describe("Fine-tuning: alpha of mixup; 0 is off."),
    cutmix: z.number().min(0).max(100).describe("Fine-tuning: alpha of cutmix; 0 is off."),
    mixupSwitchProb: probability().describe("Fine-tuning: probability to take cutmix where mixup and cutmix are both on."),
    labelSmoothing: rate().describe("Fine-tuning: part of a label that is spread over all classes."),
    workers: z
      .int()
      .min(0)
      .max(256)
      .describe("Threads that read and prepare images; 0 does it in the main thread. Results don't depend on it."),
  })
  .superRefine((data, context) => {
    for (const key of ["cropScale", "cropRatio"] as const) {
      if (data[key][0] > data[key][1])
        context.addIssue({ code: "custom", path: [key], message: `expected [smallest, largest], got ${JSON.stringify(data[key])}` });
    }
  });

/** Schema of a vision run. */
export const visionSchema = z
  .strictObject({ model: visionModelSchema, data: visionDataSchema, train: trainSchema })
  .superRefine((config, context) => {
    for (const key of ["mean", "std"] as const) {
      const { length } = config.data[key];
      if (length === 1 || length === config.model.channels) continue;
      context.addIssue({
        code: "custom",
        path: ["data", key],
        message: `expected 1 or model.channels (${config.model.channels}) numbers, got ${length}`,
      });
    }
  });

/** Values of `model.*`. */
export type VisionModelConfig = z.output<typeof visionModelSchema>;
/** The part of `model.*` that makes a network. */
export type VisionNetworkConfig = z.output<typeof visionNetworkSchema>;
/** The part of `model.*` that a trained model fixes. */
export type VisionArchitecture = z.output<z.ZodObject<typeof architectureShape>>;
/** Values of `data.*`. */
export type VisionDataConfig = z.output<typeof visionDataSchema>;
/** The configuration of a vision run. */
export type VisionConfig = z.output<typeof visionSchema>;

/** Those keys of a model's configuration that a trained model fixes. */
export function visionArchitecture(model: VisionArchitecture): VisionArchitecture {
  return Object.fromEntries(
    Object.keys(architectureShape).map((key) => [key, model[key as keyof VisionArchitecture]]),
  ) as VisionArchitecture;
}

/** Patches of an image. */
export function patchCount({ imageSize, patchSize }: VisionArchitecture): number {
  return (imageSize / patchSize) ** 2;
}

/** Width of the feed-forward network. */
export function ffnDim({ dim, mlpRatio }: VisionArchitecture): number {
  return Math.round(dim * mlpRatio);
}
