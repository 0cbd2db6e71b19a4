// The gradient of the queries on tensor cores: a block for 64 queries of a head, past which keys and values go.
#include "cuda/kernels/attention/gradient.cuh"
#include "cuda/reduce.cuh"

namespace data2vec::cuda {

namespace attend {

static_assert(kQueriesOfSlopePart == kRows / kWarps, "a warp writes one part");

// The lane's share of the sum of gradients of scores times distances.
template <typename Tile, typename T>
__device__ __forceinline__ float distancesTimes(const float (&gradients)[Tile::fragments][4], const AttentionShape<T>& s, int32_t b,
                                                int32_t query0, int32_t key0, int lane) {
  const int group = lane / 4, member = lane % 4;
  const int32_t queries[2] = {s.position(b, query0 + group), s.position(b, query0 + group + 8)};
  float sum = 0.0f;
#pragma unroll
  for (int j = 0; j < Tile::fragments; ++j) {
    const int32_t key = key0 + j * 8 + 2 * member, keys[2] = {s.position(b, key), s.position(b, key + 1)};
#pragma unroll
    for (int e = 0; e < 4; ++e) sum += gradients[j][e] * distance(queries[e / 2], keys[e % 2]);
  }
  return sum;
}

template <typename Tile, typename T>
__global__ void __launch_bounds__(kThreads) gradQueryKernel(AttentionGradient<T> g, bool aligned) {
  DYNAMIC_SHARED(shared, T);
  const AttentionShape<T>& s = g.shape;
  T* queries = shared;
  T* dOut = shared + Tile::rowsSize;
  T* stages = shared + 2 * Tile::rowsSize;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const auto query0 = static_cast<int32_t>(blockIdx.x) * kRows, h = static_cast<int32_t>(blockIdx.y), b = static_cast<int32_t>(blockIdx.z);
  const int32_t own0 = query0 + warp * 16, keys = s.keys(b), steps = (keys + Tile::columns - 1) / Tile::columns;

  const auto fetch = [&](int32_t step) {
    T* stage = stages + step % 2 * (2 * Tile::columnsSize);
    const int32_t key = step * Tile::columns;
    for (int part = 1; part < 3; ++part) {
      copyPart<Tile, Tile::columns>(stage + (part - 1) * Tile::columnsSize, s, b, h, part, key, keys, aligned);
    }
  };
  copyPart<Tile, kRows>(queries, s, b, h, 0, query0, s.tokens, aligned);
  copyOut<Tile, kRows>(dOut, g.dOut, s, b, h, query0, aligned);
  if (steps > 0) fetch(0);
  cp_async_commit();

  const Dropout dropout(s, b, h);
  const QueryStatistics own = statisticsOf(g, b, h, own0, lane);
  float sums[Tile::headFragments][4] = {};
  [[maybe_unused]] float slopeSum = 0.0f;
  for (int32_t step = 0; step < steps; ++step) {
    cp_async_wait<0>();
    __syncthreads();
    // The stage that all threads left before the barrier.
    if (step + 1 < steps) fetch(step + 1);
    cp_async_commit();
    const T* keyRows = stages + step % 2 * (2 * Tile::columnsSize);
    float scores[Tile::fragments][4], gradients[Tile::fragments][4];
    multiplyRows<Tile>(scores, queries + warp * 16 * Tile::pitch, keyRows, lane);
    multiplyRows<Tile>(gradients, dOut + warp * 16 * Tile::pitch, keyRows + Tile::columnsSize, lane);
    gradientOfScores<Tile>(scores, gradients, s, own, dropout, b, h, own0, step * Tile::columns, keys, lane);
    if constexpr (Tile::alibi) slopeSum += distancesTimes<Tile>(scores, s, b, own0, step * Tile::columns, lane);
    multiplyWeights<Tile>(sums, scores, keyRows, lane);
  }
  T* to = g.dQkv + s.qkvOf(b, h, 0) + own0 * s.qkvStep();
  storeRows<Tile>(to, s.qkvStep(), s.tokens - own0, s.headDim, sums, s.scale, s.scale, lane, aligned);
  if constexpr (Tile::alibi) {
    slopeSum = warpSum(slopeSum);
    if (g.dSlopes == nullptr || own0 >= s.tokens || lane > 0) return;
    g.slopeParts[(static_cast<int64_t>(h) * s.batch + b) * g.partsOfSlope + own0 / kQueriesOfSlopePart] = slopeSum;
  }
}

}  // namespace attend

template <typename T>
void attentionGradQuery(const AttentionGradient<T>& g) {
  const AttentionShape<T>& s = g.shape;
  attend::withTile(s, [&](auto tile) {
    using Tile = decltype(tile);
    const size_t bytes = sizeof(T) * (2 * Tile::rowsSize + 4 * Tile::columnsSize);
    const dim3 grid(attend::tilesOf(s.tokens, attend::kRows), static_cast<unsigned>(s.heads), static_cast<unsigned>(s.batch));
    launch("attention_grad", attend::gradQueryKernel<Tile, T>, grid, attend::kThreads, bytes, g,
           attend::alignedRows<T>(s.headDim, {s.qkv, g.dOut, g.dQkv}));
  });
}

template void attentionGradQuery<float>(const AttentionGradient<float>&);
template void attentionGradQuery<bf16>(const AttentionGradient<bf16>&);

}  // namespace data2vec::cuda
