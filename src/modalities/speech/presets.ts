/** Ready configurations for speech; `docs/recipes-speech.md` says where each number comes from. */
import type { PresetName, Presets } from "../modality.js";
import type { SpeechArchitecture, SpeechConfig, SpeechDataConfig, SpeechModelConfig } from "./config.js";

/** What all presets share: fairseq's Adam and tri-stage schedule, and its guards. */
const common = {
  seed: 0,
  activationCheckpointing: false,
  schedule: "triStage",
  warmupSteps: 0.03,
  holdRatio: 0.9,
  decayRatio: 0.07,
  weightDecay: 0.01,
  weightDecayOn: "all",
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-6,
  epsilonPlacement: "uncorrected",
  clipNorm: 0,
  layerDecay: 1,
  freezeSteps: 0,
  logEvery: 10,
  evaluateEvery: 0,
  patience: 0,
  keepBest: false,
  minTargetDeviation: 0.1,
  minPredictionDeviation: 0.01,
  guardAfter: 5000,
} as const;

/** What fine-tuning changes of it. */
const commonFinetune = {
  ...common,
  warmupSteps: 0.1,
  holdRatio: 0.4,
  decayRatio: 0.5,
  weightDecay: 0,
  epsilon: 1e-8,
  keepBest: true,
  minTargetDeviation: 0,
  minPredictionDeviation: 0,
} as const;

const baseModel: SpeechModelConfig = {
  convDims: [512, 512, 512, 512, 512, 512, 512],
  convKernels: [10, 3, 3, 3, 3, 2, 2],
  convStrides: [5, 2, 2, 2, 2, 2, 2],
  convBias: false,
  dim: 768,
  depth: 12,
  heads: 12,
  mlpRatio: 4,
  layerNormEps: 1e-5,
  posConvLayers: 5,
  posConvKernel: 19,
  posConvGroups: 16,
  paddedPositions: "leak",
  dropout: 0.1,
  attentionDropout: 0.1,
  activationDropout: 0,
  featureDropout: 0,
  finalDropout: 0,
  layerDrop: 0.05,
  classifierDim: 256,
  featureGradScale: 1,
  initStd: 0.02,
  averageTopKLayers: 8,
  targetLayer: "ffn",
  targetNormalization: "instance",
  finalTargetNormalization: "none",
  lossBeta: 0,
  lossScale: "sqrtDim",
  emaDecay: 0.999,
  emaEndDecay: 0.9999,
  emaAnnealSteps: 30_000,
  maskProb: 0.65,
  maskLength: 10,
  maskMinMasks: 1,
  channelMaskProb: 0,
  channelMaskLength: 64,
  emaPositions: "copied",
};

const largeModel: SpeechModelConfig = { ...baseModel, dim: 1024, depth: 24, heads: 16 };

const tinyModel: SpeechModelConfig = {
  ...baseModel,
  convDims: [64, 64, 64, 64, 64, 64, 64],
  dim: 96,
  depth: 4,
  heads: 4,
  posConvLayers: 3,
  posConvKernel: 7,
  posConvGroups: 8,
  paddedPositions: "masked",
  dropout: 0,
  attentionDropout: 0,
  layerDrop: 0,
  classifierDim: 96,
  averageTopKLayers: 3,
  emaDecay: 0.99,
  emaEndDecay: 0.9995,
  emaAnnealSteps: null,
  maskLength: 5,
  channelMaskLength: 16,
};

const smallModel: SpeechModelConfig = {
  ...tinyModel,
  convDims: [256, 256, 256, 256, 256, 256, 256],
  dim: 256,
  depth: 6,
  heads: 8,
  posConvLayers: 5,
  posConvKernel: 19,
  posConvGroups: 16,
  dropout: 0.1,
  attentionDropout: 0.1,
  layerDrop: 0.05,
  classifierDim: 256,
  averageTopKLayers: 4,
  emaDecay: 0.996,
  emaEndDecay: 0.9998,
  maskLength: 10,
};

/** Of fine-tuning: dropout inside of the feed-forward network and LayerDrop alone; the convolutions of the frames stay as they are. */
const finetuned = {
  dropout: 0,
  attentionDropout: 0,
  activationDropout: 0.1,
  layerDrop: 0.1,
  featureGradScale: 0,
} as const;

const basePretrainData: SpeechDataConfig = {
  normalize: true,
  minSeconds: 2,
  maxSeconds: 20,
  joinSeconds: 0,
  batchSeconds: 3_800_000 / 16_000,
  vocabulary: "published",
  letterCase: "upper",
  labelSmoothing: 0,
  workers: 6,
};

const baseFinetuneData: SpeechDataConfig = { ...basePretrainData, minSeconds: 0.1, maxSeconds: 40, batchSeconds: 200 };

const tinyData: SpeechDataConfig = {
  ...basePretrainData,
  minSeconds: 0.1,
  maxSeconds: 3,
  joinSeconds: 3,
  batchSeconds: 60,
  vocabulary: "transcripts",
  labelSmoothing: 0.1,
  workers: 2,
};

const smallData: SpeechDataConfig = { ...tinyData, minSeconds: 0.5, maxSeconds: 15, joinSeconds: 0, batchSeconds: 60 };

const pretrain: Record<PresetName, SpeechConfig> = {
  tiny: {
    model: tinyModel,
    data: tinyData,
    train: {
      ...common,
      schedule: "cosine",
      steps: 3000,
      batchSize: 16,
      accumulate: 1,
      learningRate: 1e-3,
      minLearningRate: 0,
      warmupSteps: 0.05,
      clipNorm: 3,
      minTargetDeviation: 0,
      minPredictionDeviation: 0,
      saveEvery: 500,
    },
  },
  small: {
    model: smallModel,
    data: smallData,
    train: {
      ...common,
      schedule: "cosine",
      steps: 50_000,
      batchSize: 32,
      accumulate: 1,
      learningRate: 5e-4,
      minLearningRate: 5e-6,
      warmupSteps: 0.05,
      clipNorm: 3,
      saveEvery: 1000,
    },
  },
  // 16 passes of 3.8 million samples, as on as many GPUs.
  base: {
    model: baseModel,
    data: basePretrainData,
    train: { ...common, steps: 400_000, batchSize: 128, accumulate: 16, learningRate: 5e-4, minLearningRate: 5e-6, saveEvery: 1000 },
  },
  large: {
    model: largeModel,
    data: { ...basePretrainData, batchSeconds: 80 },
    train: { ...common, steps: 400_000, batchSize: 64, accumulate: 48, learningRate: 5e-4, minLearningRate: 5e-6, saveEvery: 1000 },
  },
};

const finetune: Record<PresetName, SpeechConfig> = {
  tiny: {
    model: { ...tinyModel, maskProb: 0.3 },
    data: tinyData,
    train: {
      ...pretrain.tiny.train,
      ...commonFinetune,
      schedule: "cosine",
      steps: 400,
      batchSize: 32,
      learningRate: 1e-3,
      clipNorm: 3,
      saveEvery: 100,
      evaluateEvery: 100,
    },
  },
  small: {
    model: { ...smallModel, ...finetuned, maskProb: 0.5, channelMaskProb: 0.25 },
    data: smallData,
    train: {
      ...pretrain.small.train,
      ...commonFinetune,
      steps: 10_000,
      batchSize: 16,
      learningRate: 1e-4,
      minLearningRate: 5e-6,
      saveEvery: 500,
      evaluateEvery: 500,
    },
  },
  // The setting for 100 hours; 8 passes of 3.2 million samples, as 4 on each of 2 GPUs.
  base: {
    model: { ...baseModel, ...finetuned, channelMaskProb: 0.5 },
    data: baseFinetuneData,
    train: {
      ...commonFinetune,
      steps: 80_000,
      batchSize: 128,
      accumulate: 8,
      learningRate: 3e-5,
      minLearningRate: 0.05 * 3e-5,
      saveEvery: 1000,
      evaluateEvery: 1000,
    },
  },
  // The same; 20 passes of 1.28 million samples, as 5 on each of 4 GPUs.
  large: {
    model: { ...largeModel, ...finetuned, maskProb: 0.5, channelMaskProb: 0.5 },
    data: { ...baseFinetuneData, batchSeconds: 80 },
    train: {
      ...commonFinetune,
      steps: 80_000,
      batchSize: 64,
      accumulate: 20,
      learningRate: 3e-5,
      minLearningRate: 0.05 * 3e-5,
      freezeSteps: 10_000,
      saveEvery: 1000,
      evaluateEvery: 1000,
    },
  },
};

/** Every preset, by stage and size. */
export const speechPresets: Presets<SpeechConfig> = { pretrain, finetune };

/** A preset around the architecture of a trained model: what only pretraining uses is cut to what fits it. */
export function fitToArchitecture(preset: SpeechConfig, fixed: { readonly model?: Partial<SpeechArchitecture> }): SpeechConfig {
  const model = { ...preset.model, ...fixed.model };
  return { ...preset, model: { ...model, averageTopKLayers: Math.min(model.averageTopKLayers, model.depth) } };
}
