import type { Kernels } from "../kernels.js";
import { adamw } from "./adamw.js";
import { add } from "./add.js";
import { addPosition, addPositionGrad } from "./add-position.js";
import { attention, attentionGrad } from "./attention.js";
import { averageLayer } from "./average-layer.js";
import { binaryCrossEntropy } from "./binary-cross-entropy.js";
import { clipScale } from "./clip-scale.js";
import { conv1d, conv1dGradInput, conv1dGradWeight } from "./conv1d.js";
import { copy } from "./copy.js";
import { crossEntropy } from "./cross-entropy.js";
import { ctc } from "./ctc.js";
import { dropout } from "./dropout.js";
import { ema } from "./ema.js";
import { embedding, embeddingGrad } from "./embedding.js";
import { fill } from "./fill.js";
import { gatherRows, gatherRowsGrad } from "./gather-rows.js";
import { gelu, geluGrad } from "./gelu.js";
import { layerNorm, layerNormGrad } from "./layer-norm.js";
import { layerNormGelu, layerNormGeluGrad } from "./layer-norm-gelu.js";
import { layerSkip, layerSkipGrad } from "./layer-skip.js";
import { linear, linearGradInput, linearGradWeight } from "./linear.js";
import { linearGelu } from "./linear-gelu.js";
import { linearResidual } from "./linear-residual.js";
import { maskChannels } from "./mask-channels.js";
import { maskRows, maskRowsGrad } from "./mask-rows.js";
import { meanPool, meanPoolGrad } from "./mean-pool.js";
import type { Memory } from "./memory.js";
import { patchify } from "./patchify.js";
import { prependToken, prependTokenGrad } from "./prepend-token.js";
import { regression } from "./regression.js";
import { relativeBias, relativeBiasGrad } from "./relative-bias.js";
import { residual, residualGrad } from "./residual.js";
import { squaredNorm } from "./squared-norm.js";
import { tanhActivation, tanhActivationGrad } from "./tanh-activation.js";

const definitions: { [K in keyof Kernels]: (memory: Memory, ...args: Parameters<Kernels[K]>) => void } = {
  fill,
  copy,
  add,
  dropout,
  residual,
  residualGrad,
  linear,
  linearGradInput,
  linearGradWeight,
  linearGelu,
  linearResidual,
  gelu,
  geluGrad,
  layerNorm,
  layerNormGrad,
  conv1d,
  conv1dGradInput,
  conv1dGradWeight,
  layerNormGelu,
  layerNormGeluGrad,
  attention,
  attentionGrad,
  relativeBias,
  relativeBiasGrad,
  maskRows,
  maskRowsGrad,
  gatherRows,
  gatherRowsGrad,
  prependToken,
  prependTokenGrad,
  addPosition,
  addPositionGrad,
  patchify,
  meanPool,
  meanPoolGrad,
  embedding,
  embeddingGrad,
  tanhActivation,
  tanhActivationGrad,
  layerSkip,
  layerSkipGrad,
  maskChannels,
  averageLayer,
  regression,
  crossEntropy,
  binaryCrossEntropy,
  ctc,
  squaredNorm,
  clipScale,
  adamw,
  ema,
};

/** The definition of every kernel in plain loops with double accumulators, over some memory. */
export function referenceKernels(memory: Memory): Kernels {
  const bound = Object.entries(definitions).map(([name, kernel]) => [name, (kernel as (...args: unknown[]) => void).bind(null, memory)]);
  return Object.fromEntries(bound) as Kernels;
}
