// The gradient of the bias on tensor cores: a block for one tile of a head and a part of the batch, which it goes over in order.
#include <algorithm>

#include "cuda/kernels/attention/gradient.cuh"

namespace data2vec::cuda {

namespace attend {

constexpr size_t kMostShared = 99 * 1024;
// Enough blocks for four to each multiprocessor of the largest GPUs; a constant, so that all GPUs sum in one order.
constexpr int64_t kEnoughBlocks = 528;

template <typename Tile>
constexpr size_t stageSize = 2 * Tile::rowsSize + 2 * Tile::columnsSize;
template <typename Tile>
constexpr int stagesOf = 2 * stageSize<Tile> * sizeof(typename Tile::T) <= kMostShared ? 2 : 1;

// partials [parts][heads][tokens][tokens]; with one part d_bias itself, which is added to.
template <typename Tile, typename T>
__global__ void __launch_bounds__(kThreads) gradBiasKernel(AttentionGradient<T> g, float* partials, int32_t parts, bool aligned) {
  constexpr int kStages = stagesOf<Tile>;
  DYNAMIC_SHARED(shared, T);
  const AttentionShape<T>& s = g.shape;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const auto key0 = static_cast<int32_t>(blockIdx.x) * Tile::columns, query0 = static_cast<int32_t>(blockIdx.y) * kRows;
  const int32_t h = static_cast<int32_t>(blockIdx.z) % s.heads, part = static_cast<int32_t>(blockIdx.z) / s.heads;
  const int32_t partSize = (s.batch + parts - 1) / parts, end = min(s.batch, (part + 1) * partSize);
  const int32_t own0 = query0 + warp * 16;

  // The first sample from b on that has a key in this tile.
  const auto sampleFrom = [&](int32_t b) {
    while (b < end && s.keys(b) <= key0) ++b;
    return b;
  };
  const auto fetch = [&](int32_t b, int stage) {
    T* queries = shared + stage * stageSize<Tile>;
    T* keyRows = queries + 2 * Tile::rowsSize;
    copyPart<Tile, kRows>(queries, s, b, h, 0, query0, s.tokens, aligned);
    copyOut<Tile, kRows>(queries + Tile::rowsSize, g.dOut, s, b, h, query0, aligned);
    copyPart<Tile, Tile::columns>(keyRows, s, b, h, 1, key0, s.keys(b), aligned);
    copyPart<Tile, Tile::columns>(keyRows + Tile::columnsSize, s, b, h, 2, key0, s.keys(b), aligned);
  };

  float sums[Tile::fragments][4] = {};
  int stage = 0;
  int32_t b = sampleFrom(part * partSize);
  if (kStages == 2 && b < end) fetch(b, 0);
  while (b < end) {
    const int32_t next = sampleFrom(b + 1);
    // All threads have left the stage that is filled now.
    if (kStages == 1) {
      __syncthreads();
      fetch(b, 0);
    }
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    if (kStages == 2 && next < end) fetch(next, 1 - stage);
    const T* queries = shared + stage * stageSize<Tile>;
    const T* keyRows = queries + 2 * Tile::rowsSize;
    float scores[Tile::fragments][4], gradients[Tile::fragments][4];
    multiplyRows<Tile>(scores, queries + warp * 16 * Tile::pitch, keyRows, lane);
    multiplyRows<Tile>(gradients, queries + Tile::rowsSize + warp * 16 * Tile::pitch, keyRows + Tile::columnsSize, lane);
    gradientOfScores<Tile>(scores, gradients, s, statisticsOf(g, b, h, own0, lane), Dropout(s, b, h), b, h, own0, key0, s.keys(b), lane);
#pragma unroll
    for (int j = 0; j < Tile::fragments; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[j][e] += scores[j][e];
    b = next;
    if (kStages == 2) stage = 1 - stage;
  }
  float* to = parts > 1 ? partials + part * s.biasOf(s.heads, 0) : g.dBias;
#pragma unroll
  for (int j = 0; j < Tile::fragments; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int32_t query = own0 + lane / 4 + e / 2 * 8, key = key0 + j * 8 + 2 * (lane % 4) + e % 2;
      if (query >= s.tokens || key >= s.tokens) continue;
      float* element = to + s.biasOf(h, query) + key;
      *element = parts > 1 ? sums[j][e] : *element + sums[j][e];
    }
  }
}

__global__ void addBiasParts(float* dBias, const float* partials, int64_t elements, int32_t parts) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= elements) return;
  float sum = 0.0f;
  for (int32_t part = 0; part < parts; ++part) sum += partials[part * elements + i];
  dBias[i] += sum;
}

template <typename Tile, typename T>
int32_t partsOf(const AttentionShape<T>& s) {
  const int64_t tiles = int64_t{tilesOf(s.tokens, Tile::columns)} * tilesOf(s.tokens, kRows) * s.heads;
  return static_cast<int32_t>(std::clamp<int64_t>(kEnoughBlocks / tiles, 1, std::clamp(s.batch / 4, 1, 16)));
}

}  // namespace attend

template <typename T>
size_t attentionGradBiasScratch(const AttentionShape<T>& s) {
  size_t floats = 0;
  attend::withTile(s, [&](auto tile) {
    const int32_t parts = attend::partsOf<decltype(tile)>(s);
    if (parts > 1) floats = static_cast<size_t>(parts * s.biasOf(s.heads, 0));
  });
  return floats;
}

template <typename T>
void attentionGradBias(const AttentionGradient<T>& g, float* partials) {
  const AttentionShape<T>& s = g.shape;
  attend::withTile(s, [&](auto tile) {
    using Tile = decltype(tile);
    const int32_t parts = attend::partsOf<Tile>(s);
    const size_t bytes = sizeof(T) * attend::stagesOf<Tile> * attend::stageSize<Tile>;
    const unsigned keyTiles = attend::tilesOf(s.tokens, Tile::columns), queryTiles = attend::tilesOf(s.tokens, attend::kRows);
    const dim3 grid(keyTiles, queryTiles, static_cast<unsigned>(s.heads * parts));
    launch("attention_grad", attend::gradBiasKernel<Tile, T>, grid, attend::kThreads, bytes, g, partials, parts,
           attend::alignedRows<T>(s.headDim, {s.qkv, g.dOut}));
    if (parts == 1) return;
    const int64_t elements = s.biasOf(s.heads, 0);
    const auto blocks = static_cast<unsigned>((elements + attend::kThreads - 1) / attend::kThreads);
    launch("attention_grad", attend::addBiasParts, blocks, attend::kThreads, 0, g.dBias, static_cast<const float*>(partials), elements, parts);
  });
}

template size_t attentionGradBiasScratch<float>(const AttentionShape<float>&);
template size_t attentionGradBiasScratch<bf16>(const AttentionShape<bf16>&);
template void attentionGradBias<float>(const AttentionGradient<float>&, float*);
template void attentionGradBias<bf16>(const AttentionGradient<bf16>&, float*);

}  // namespace data2vec::cuda
