/** Ready configurations for images; `docs/recipes.md` says where each number comes from. */
import type { PresetName, Presets } from "../modality.js";
import { patchCount, type VisionArchitecture, type VisionConfig, type VisionDataConfig, type VisionModelConfig } from "./config.js";

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const INCEPTION = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** What all presets share; the guards are off, as in the published code, and hold and decay only matter to triStage. */
const common = {
  seed: 0,
  activationCheckpointing: false,
  schedule: "cosine",
  holdRatio: 0.9,
  decayRatio: 0.07,
  weightDecay: 0.05,
  weightDecayOn: "matrices",
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  epsilonPlacement: "corrected",
  clipNorm: 3,
  layerDecay: 1,
  freezeSteps: 0,
  logEvery: 10,
  evaluateEvery: 0,
  patience: 0,
  keepBest: false,
  minTargetDeviation: 0,
  minPredictionDeviation: 0,
  guardAfter: 5000,
} as const;

const noMixing = { randAugment: null, erasing: 0, mixup: 0, cutmix: 0, mixupSwitchProb: 0.5 };

const tinyModel: VisionModelConfig = {
  imageSize: 28,
  patchSize: 4,
  channels: 1,
  dim: 96,
  depth: 4,
  heads: 4,
  mlpRatio: 4,
  layerNormEps: 1e-6,
  layerScale: 1,
  relativePositionBias: "shared",
  absolutePositions: true,
  dropPath: 0,
  attentionDropout: 0,
  dropout: 0,
  initStd: 0.02,
  averageTopKLayers: 3,
  targetLayer: "block",
  targetNormalization: "instance",
  finalTargetNormalization: "layer",
  lossBeta: 1,
  lossScale: "mean",
  emaDecay: 0.99,
  emaEndDecay: 0.9995,
  emaAnnealSteps: null,
  maskRatio: 0.6,
  maskMinPatches: 4,
  maskMaxPatches: null,
  maskMinAspect: 0.3,
};

const smallModel: VisionModelConfig = {
  ...tinyModel,
  imageSize: 64,
  patchSize: 8,
  channels: 3,
  dim: 256,
  depth: 6,
  heads: 8,
  dropPath: 0.05,
  averageTopKLayers: 4,
  emaDecay: 0.996,
  emaEndDecay: 0.9998,
};

const baseModel: VisionModelConfig = {
  imageSize: 224,
  patchSize: 16,
  channels: 3,
  dim: 768,
  depth: 12,
  heads: 12,
  mlpRatio: 4,
  layerNormEps: 1e-6,
  layerScale: 1e-4,
  relativePositionBias: "shared",
  absolutePositions: false,
  dropPath: 0.25,
  attentionDropout: 0.05,
  dropout: 0,
  initStd: 0.02,
  averageTopKLayers: 6,
  targetLayer: "block",
  targetNormalization: "layer",
  finalTargetNormalization: "layer",
  lossBeta: 2,
  lossScale: "mean",
  emaDecay: 0.9998,
  emaEndDecay: 0.9998,
  emaAnnealSteps: null,
  maskRatio: 120 / 196,
  maskMinPatches: 16,
  maskMaxPatches: null,
  maskMinAspect: 0.3,
};

const largeModel: VisionModelConfig = {
  ...baseModel,
  dim: 1024,
  depth: 24,
  heads: 16,
  layerScale: 1e-5,
  dropPath: 0.2,
  attentionDropout: 0.15,
};

const tinyData: VisionDataConfig = {
  cropScale: [0.8, 1],
  cropRatio: [3 / 4, 4 / 3],
  interpolation: "bicubic",
  evaluationCrop: 1,
  flip: 0.5,
  colorJitter: 0,
  mean: [0.286],
  std: [0.353],
  ...noMixing,
  labelSmoothing: 0.1,
  workers: 2,
};

const smallData: VisionDataConfig = { ...tinyData, cropScale: [0.3, 1], colorJitter: 0.4, ...IMAGENET };

const basePretrainData: VisionDataConfig = {
  cropScale: [0.08, 1],
  cropRatio: [3 / 4, 4 / 3],
  interpolation: "bicubic",
  evaluationCrop: 224 / 256,
  flip: 0.5,
  colorJitter: 0.4,
  ...IMAGENET,
  ...noMixing,
  labelSmoothing: 0.1,
  workers: 10,
};

const baseFinetuneData: VisionDataConfig = {
  ...basePretrainData,
  ...INCEPTION,
  colorJitter: 0,
  randAugment: "rand-m9-mstd0.5-inc1",
  erasing: 0.25,
  mixup: 0.8,
  cutmix: 1,
};

const pretrain: Record<PresetName, VisionConfig> = {
  tiny: {
    model: tinyModel,
    data: tinyData,
    train: {
      ...common,
      steps: 3000,
      batchSize: 64,
      accumulate: 1,
      learningRate: 4e-3,
      minLearningRate: 0,
      warmupSteps: 0.05,
      saveEvery: 500,
    },
  },
  small: {
    model: smallModel,
    data: smallData,
    train: {
      ...common,
      steps: 20_000,
      batchSize: 64,
      accumulate: 1,
      learningRate: 1e-3,
      minLearningRate: 1e-5,
      warmupSteps: 0.05,
      saveEvery: 1000,
    },
  },
  // An epoch of ImageNet-1k is 625 steps of 2048 images.
  base: {
    model: baseModel,
    data: basePretrainData,
    train: {
      ...common,
      steps: 800 * 625,
      batchSize: 128,
      accumulate: 16,
      learningRate: 2e-3,
      minLearningRate: 1e-5,
      warmupSteps: 10 * 625,
      saveEvery: 625,
    },
  },
  // An epoch of ImageNet-1k is 312 steps of 4096 images.
  large: {
    model: largeModel,
    data: basePretrainData,
    train: {
      ...common,
      steps: 800 * 312,
      batchSize: 64,
      accumulate: 64,
      learningRate: 1e-3,
      minLearningRate: 1e-5,
      warmupSteps: 80 * 312,
      saveEvery: 312,
    },
  },
};

const finetune: Record<PresetName, VisionConfig> = {
  tiny: {
    model: tinyModel,
    data: { ...tinyData, cropScale: [0.5, 1] },
    train: { ...pretrain.tiny.train, steps: 400, learningRate: 3e-3, saveEvery: 100, evaluateEvery: 100, keepBest: true },
  },
  small: {
    model: { ...smallModel, dropPath: 0.1 },
    data: smallData,
    train: { ...pretrain.small.train, steps: 2000, saveEvery: 200, evaluateEvery: 200, keepBest: true },
  },
  // An epoch of ImageNet-1k is 1251 steps of 1024 images.
  base: {
    model: { ...baseModel, attentionDropout: 0, dropPath: 0.2 },
    data: baseFinetuneData,
    train: {
      ...pretrain.base.train,
      steps: 100 * 1251,
      batchSize: 128,
      accumulate: 8,
      learningRate: 4e-3,
      minLearningRate: 1e-6,
      warmupSteps: 10 * 1251,
      weightDecay: 0,
      clipNorm: 0,
      layerDecay: 0.65,
      saveEvery: 1251,
      evaluateEvery: 1251,
      keepBest: true,
    },
  },
  large: {
    model: { ...largeModel, attentionDropout: 0, dropPath: 0.25 },
    data: baseFinetuneData,
    train: {
      ...pretrain.large.train,
      steps: 50 * 1251,
      batchSize: 64,
      accumulate: 16,
      learningRate: 5e-3,
      minLearningRate: 1e-6,
      warmupSteps: 5 * 1251,
      clipNorm: 0,
      layerDecay: 0.65,
      saveEvery: 1251,
      evaluateEvery: 1251,
      keepBest: true,
    },
  },
};

/** Every preset, by stage and size. */
export const visionPresets: Presets<VisionConfig> = { pretrain, finetune };

/** A preset around the architecture of a trained model: what only pretraining uses is cut to what fits it. */
export function fitToArchitecture(preset: VisionConfig, fixed: { readonly model?: Partial<VisionArchitecture> }): VisionConfig {
  const model = { ...preset.model, ...fixed.model };
  const maskMinPatches = Math.min(model.maskMinPatches, patchCount(model));
  const fitting = {
    averageTopKLayers: Math.min(model.averageTopKLayers, model.depth),
    maskMinPatches,
    maskMaxPatches: model.maskMaxPatches === null ? null : Math.max(model.maskMaxPatches, maskMinPatches),
  };
  return { ...preset, model: { ...model, ...fitting } };
}
