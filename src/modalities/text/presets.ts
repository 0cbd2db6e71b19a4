/** Ready configurations for text; `docs/recipes.md` says where each number comes from. */
import type { ConfigLayer } from "../../config/resolve.js";
import { glueFolder, glueTask } from "../../data/text/glue.js";
import type { PresetName, Presets, Stage } from "../modality.js";
import type { TextArchitecture, TextConfig, TextDataConfig, TextModelConfig } from "./config.js";

/** What all presets share; the guards are off, as in the published code, and hold and decay only matter to triStage. */
const common = {
  seed: 0,
  activationCheckpointing: false,
  schedule: "cosine",
  minLearningRate: 0,
  holdRatio: 0.8,
  decayRatio: 0.15,
  weightDecay: 0.01,
  weightDecayOn: "all",
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-6,
  epsilonPlacement: "uncorrected",
  clipNorm: 5,
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

const baseModel: TextModelConfig = {
  vocabSize: 50265,
  maxPositions: 512,
  typeVocabSize: 0,
  paddingId: 1,
  dim: 768,
  depth: 12,
  heads: 12,
  mlpRatio: 4,
  layerNormEps: 1e-5,
  dropout: 0.1,
  attentionDropout: 0.1,
  activationDropout: 0,
  layerDrop: 0,
  classifierDropout: 0,
  initStd: 0.02,
  averageTopKLayers: 10,
  targetLayer: "ffn",
  targetNormalization: "layer",
  finalTargetNormalization: "none",
  lossBeta: 4,
  lossScale: 1,
  emaDecay: 0.999,
  emaEndDecay: 0.9999,
  emaAnnealSteps: 300_000,
  headLayers: 2,
  maskStyle: "span",
  maskProb: 0.35,
  maskSpan: 4,
};

// Nothing but the size was published; K keeps its part of the depth.
const largeModel: TextModelConfig = { ...baseModel, dim: 1024, depth: 24, heads: 16, averageTopKLayers: 20 };

const smallModel: TextModelConfig = {
  ...baseModel,
  vocabSize: 16_384,
  maxPositions: 128,
  dim: 256,
  depth: 6,
  heads: 8,
  averageTopKLayers: 4,
  emaDecay: 0.996,
  emaEndDecay: 0.9998,
  emaAnnealSteps: null,
};

const tinyModel: TextModelConfig = {
  ...smallModel,
  vocabSize: 4096,
  maxPositions: 64,
  dim: 96,
  depth: 4,
  heads: 4,
  dropout: 0,
  attentionDropout: 0,
  averageTopKLayers: 3,
  emaDecay: 0.99,
  emaEndDecay: 0.9995,
};

const baseData: TextDataConfig = {
  tokenizer: null,
  tokensPerSample: 512,
  packing: "complete_doc",
  batchTokens: 8192,
  cache: null,
  textField: "text",
};
const smallData: TextDataConfig = { ...baseData, tokensPerSample: 128, batchTokens: null };
const tinyData: TextDataConfig = { ...baseData, tokensPerSample: 64, batchTokens: null };

const pretrain: Record<PresetName, TextConfig> = {
  tiny: {
    model: tinyModel,
    data: tinyData,
    train: {
      ...common,
      steps: 3000,
      batchSize: 32,
      accumulate: 1,
      learningRate: 2e-3,
      warmupSteps: 0.05,
      saveEvery: 500,
    },
  },
  small: {
    model: smallModel,
    data: smallData,
    train: {
      ...common,
      steps: 50_000,
      batchSize: 64,
      accumulate: 1,
      learningRate: 5e-4,
      warmupSteps: 0.05,
      saveEvery: 1000,
    },
  },
  // A step of 16 passes has 131,072 tokens, about 256 samples.
  base: {
    model: baseModel,
    data: baseData,
    train: {
      ...common,
      steps: 1_000_000,
      batchSize: 256,
      accumulate: 16,
      learningRate: 2e-4,
      warmupSteps: 10_000,
      saveEvery: 1000,
    },
  },
  large: {
    model: largeModel,
    data: { ...baseData, batchTokens: 4096 },
    train: {
      ...common,
      steps: 1_000_000,
      batchSize: 256,
      accumulate: 32,
      learningRate: 1e-4,
      warmupSteps: 10_000,
      saveEvery: 1000,
    },
  },
};

/** The settings of GLUE that its tasks share; steps and warm-up are those of SST-2. */
const glue = {
  ...common,
  schedule: "linear",
  weightDecay: 0.1,
  clipNorm: 0,
  steps: 20_935,
  batchSize: 32,
  accumulate: 1,
  learningRate: 1e-5,
  warmupSteps: 1256,
  saveEvery: 1000,
  evaluateEvery: 1000,
  keepBest: true,
} as const;

const finetune: Record<PresetName, TextConfig> = {
  tiny: {
    model: tinyModel,
    data: tinyData,
    train: { ...glue, steps: 400, learningRate: 1e-3, warmupSteps: 0.06, clipNorm: 5, saveEvery: 100, evaluateEvery: 100 },
  },
  small: {
    model: smallModel,
    data: smallData,
    train: { ...glue, steps: 2000, learningRate: 2e-4, warmupSteps: 0.06, clipNorm: 5, saveEvery: 200, evaluateEvery: 200 },
  },
  base: { model: baseModel, data: { ...baseData, batchTokens: null }, train: glue },
  large: { model: largeModel, data: { ...baseData, batchTokens: null }, train: glue },
};

/** Every preset, by stage and size. */
export const textPresets: Presets<TextConfig> = { pretrain, finetune };

/** The settings of the task of GLUE that the data is, in the sizes that were published, whose presets are otherwise those of SST-2. */
export function glueRecipe(stage: Stage, preset: PresetName, data: string): ConfigLayer | null {
  const name = stage === "finetune" && (preset === "base" || preset === "large") ? glueFolder(data) : null;
  return name && { name: `recipe of GLUE's ${name}`, values: { train: glueTask(name).recipe } };
}

/** A preset around the architecture of a trained model: what only training uses is cut to what fits it. */
export function fitToArchitecture(preset: TextConfig, fixed: { readonly model?: Partial<TextArchitecture> }): TextConfig {
  const model = { ...preset.model, ...fixed.model };
  return {
    ...preset,
    model: { ...model, averageTopKLayers: Math.min(model.averageTopKLayers, model.depth) },
    data: { ...preset.data, tokensPerSample: Math.min(preset.data.tokensPerSample, model.maxPositions) },
  };
}
