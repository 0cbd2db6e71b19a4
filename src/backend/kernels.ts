/** An address in an engine's heap: a byte offset; 0 is "absent". */
export type Pointer = number;

/**
 * Every kernel, as positional numbers: the TypeScript face of `include/kernels.h`, which documents each of them. Pointers are byte
 * offsets, sizes are integers; `tests/architecture.test.ts` holds the two lists against each other.
 */
export interface Kernels {
  fill(y: Pointer, count: number, value: number): void;
  copy(y: Pointer, x: Pointer, count: number): void;
  add(y: Pointer, a: Pointer, b: Pointer, count: number): void;
  dropout(y: Pointer, x: Pointer, rng: Pointer, samples: number, perSample: number, probability: number, purpose: number): void;
  residual(
    y: Pointer,
    r: Pointer,
    x: Pointer,
    gamma: Pointer,
    rng: Pointer,
    samples: number,
    rowsPerSample: number,
    dim: number,
    dropPath: number,
    purpose: number,
  ): void;
  residualGrad(
    dx: Pointer,
    dGamma: Pointer,
    dy: Pointer,
    x: Pointer,
    gamma: Pointer,
    rng: Pointer,
    samples: number,
    rowsPerSample: number,
    dim: number,
    dropPath: number,
    purpose: number,
  ): void;
  linear(y: Pointer, x: Pointer, weight: Pointer, bias: Pointer, rows: number, inDim: number, outDim: number): void;
  linearGradInput(dx: Pointer, dy: Pointer, weight: Pointer, rows: number, inDim: number, outDim: number): void;
  linearGradWeight(dWeight: Pointer, dBias: Pointer, dy: Pointer, x: Pointer, rows: number, inDim: number, outDim: number): void;
  linearGelu(y: Pointer, pre: Pointer, x: Pointer, weight: Pointer, bias: Pointer, rows: number, inDim: number, outDim: number): void;
  linearResidual(
    y: Pointer,
    branch: Pointer,
    r: Pointer,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    gamma: Pointer,
    rng: Pointer,
    samples: number,
    rowsPerSample: number,
    inDim: number,
    outDim: number,
    dropPath: number,
    purpose: number,
  ): void;
  gelu(y: Pointer, x: Pointer, count: number): void;
  geluGrad(dx: Pointer, dy: Pointer, x: Pointer, count: number): void;
  layerNorm(
    y: Pointer,
    mean: Pointer,
    rstd: Pointer,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    rows: number,
    dim: number,
    eps: number,
  ): void;
  layerNormGrad(
    dx: Pointer,
    dWeight: Pointer,
    dBias: Pointer,
    dy: Pointer,
    x: Pointer,
    weight: Pointer,
    mean: Pointer,
    rstd: Pointer,
    rows: number,
    dim: number,
  ): void;
  conv1d(
    y: Pointer,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    batch: number,
    inTime: number,
    inChannels: number,
    outChannels: number,
    kernel: number,
    stride: number,
    padding: number,
    groups: number,
  ): void;
  conv1dGradInput(
    dx: Pointer,
    dy: Pointer,
    weight: Pointer,
    batch: number,
    inTime: number,
    inChannels: number,
    outChannels: number,
    kernel: number,
    stride: number,
    padding: number,
    groups: number,
  ): void;
  conv1dGradWeight(
    dWeight: Pointer,
    dBias: Pointer,
    dy: Pointer,
    x: Pointer,
    batch: number,
    inTime: number,
    inChannels: number,
    outChannels: number,
    kernel: number,
    stride: number,
    padding: number,
    groups: number,
  ): void;
  layerNormGelu(
    y: Pointer,
    mean: Pointer,
    rstd: Pointer,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    rows: number,
    dim: number,
    eps: number,
  ): void;
  layerNormGeluGrad(
    dx: Pointer,
    dWeight: Pointer,
    dBias: Pointer,
    dy: Pointer,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    mean: Pointer,
    rstd: Pointer,
    rows: number,
    dim: number,
  ): void;
  attention(
    out: Pointer,
    logSumExp: Pointer,
    qkv: Pointer,
    bias: Pointer,
    slopes: Pointer,
    positions: Pointer,
    lengths: Pointer,
    rng: Pointer,
    batch: number,
    tokens: number,
    heads: number,
    headDim: number,
    dropout: number,
    purpose: number,
  ): void;
  attentionGrad(
    dQkv: Pointer,
    dBias: Pointer,
    dSlopes: Pointer,
    dOut: Pointer,
    out: Pointer,
    logSumExp: Pointer,
    qkv: Pointer,
    bias: Pointer,
    slopes: Pointer,
    positions: Pointer,
    lengths: Pointer,
    rng: Pointer,
    batch: number,
    tokens: number,
    heads: number,
    headDim: number,
    dropout: number,
    purpose: number,
  ): void;
  relativeBias(bias: Pointer, table: Pointer, index: Pointer, heads: number, positions: number): void;
  relativeBiasGrad(dTable: Pointer, dBias: Pointer, index: Pointer, heads: number, positions: number, tableRows: number): void;
  maskRows(y: Pointer, x: Pointer, token: Pointer, mask: Pointer, rows: number, dim: number): void;
  maskRowsGrad(dx: Pointer, dToken: Pointer, dy: Pointer, mask: Pointer, rows: number, dim: number): void;
  gatherRows(y: Pointer, x: Pointer, index: Pointer, count: number, dim: number): void;
  gatherRowsGrad(dx: Pointer, dy: Pointer, index: Pointer, count: number, xRows: number, dim: number): void;
  prependToken(y: Pointer, x: Pointer, token: Pointer, batch: number, tokens: number, dim: number): void;
  prependTokenGrad(dx: Pointer, dToken: Pointer, dy: Pointer, batch: number, tokens: number, dim: number): void;
  addPosition(y: Pointer, x: Pointer, position: Pointer, batch: number, tokens: number, dim: number): void;
  addPositionGrad(dPosition: Pointer, dy: Pointer, batch: number, tokens: number, dim: number): void;
  patchify(y: Pointer, image: Pointer, batch: number, channels: number, height: number, width: number, patch: number): void;
  meanPool(y: Pointer, x: Pointer, lengths: Pointer, batch: number, tokens: number, dim: number, first: number): void;
  meanPoolGrad(dx: Pointer, dy: Pointer, lengths: Pointer, batch: number, tokens: number, dim: number, first: number): void;
  embedding(y: Pointer, table: Pointer, ids: Pointer, rows: number, dim: number): void;
  embeddingGrad(dTable: Pointer, dy: Pointer, ids: Pointer, rows: number, dim: number, paddingId: number): void;
  tanhActivation(y: Pointer, x: Pointer, count: number): void;
  tanhActivationGrad(dx: Pointer, dy: Pointer, y: Pointer, count: number): void;
  layerSkip(
    y: Pointer,
    x: Pointer,
    r: Pointer,
    rng: Pointer,
    samples: number,
    perSample: number,
    probability: number,
    purpose: number,
  ): void;
  layerSkipGrad(
    dx: Pointer,
    dr: Pointer,
    dy: Pointer,
    rng: Pointer,
    samples: number,
    perSample: number,
    probability: number,
    purpose: number,
  ): void;
  maskChannels(y: Pointer, x: Pointer, mask: Pointer, batch: number, tokens: number, dim: number): void;
  averageLayer(
    target: Pointer,
    x: Pointer,
    batch: number,
    tokens: number,
    dim: number,
    first: number,
    normalization: number,
    scale: number,
    eps: number,
    accumulate: number,
  ): void;
  regression(
    stats: Pointer,
    dPrediction: Pointer,
    prediction: Pointer,
    target: Pointer,
    index: Pointer,
    normalizer: Pointer,
    rows: number,
    dim: number,
    beta: number,
    scale: number,
  ): void;
  crossEntropy(
    stats: Pointer,
    dLogits: Pointer,
    logits: Pointer,
    targets: Pointer,
    normalizer: Pointer,
    rows: number,
    classes: number,
  ): void;
  binaryCrossEntropy(stats: Pointer, dLogits: Pointer, logits: Pointer, targets: Pointer, normalizer: Pointer, count: number): void;
  ctc(
    stats: Pointer,
    dLogits: Pointer,
    logits: Pointer,
    targets: Pointer,
    targetLengths: Pointer,
    frameLengths: Pointer,
    normalizer: Pointer,
    batch: number,
    time: number,
    classes: number,
    maxTarget: number,
    blank: number,
  ): void;
  squaredNorm(y: Pointer, x: Pointer, count: number): void;
  clipScale(scale: Pointer, squaredNorm: Pointer, maxNorm: number): void;
  adamw(
    parameter: Pointer,
    m: Pointer,
    v: Pointer,
    gradient: Pointer,
    gradScale: Pointer,
    scalars: Pointer,
    count: number,
    lrScale: number,
    weightDecay: number,
    beta1: number,
    beta2: number,
  ): void;
  ema(teacher: Pointer, student: Pointer, decay: Pointer, count: number): void;
}
