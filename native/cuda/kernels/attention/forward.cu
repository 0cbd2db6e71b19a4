// Attention forward on tensor cores: a block for 64 queries of a head, past which keys and values go with a running maximum and sum
// (Milakov and Gimelshein 2018; Dao et al. 2022).
#include "cuda/kernels/attention/tile.cuh"

namespace data2vec::cuda {

namespace attend {

template <typename Tile, typename T>
__global__ void __launch_bounds__(kThreads) forwardKernel(AttentionShape<T> s, T* out, float* logSumExp, bool aligned) {
  DYNAMIC_SHARED(shared, T);
  T* queries = shared;
  T* stages = shared + Tile::rowsSize;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, group = lane / 4, member = lane % 4;
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
  if (steps > 0) fetch(0);
  cp_async_commit();

  const Dropout dropout(s, b, h);
  float sums[Tile::headFragments][4] = {};
  // Of the two rows of a lane; the total is of the lane's columns alone until the end.
  float largest[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
  for (int32_t step = 0; step < steps; ++step) {
    cp_async_wait<0>();
    __syncthreads();
    // The stage that all threads left before the barrier.
    if (step + 1 < steps) fetch(step + 1);
    cp_async_commit();
    const T* keyRows = stages + step % 2 * (2 * Tile::columnsSize);
    const int32_t key0 = step * Tile::columns;
    float scores[Tile::fragments][4];
    multiplyRows<Tile>(scores, queries + warp * 16 * Tile::pitch, keyRows, lane);
    subtractDistances<Tile>(scores, s, b, h, own0, key0, lane);

    float before[2] = {largest[0], largest[1]};
#pragma unroll
    for (int j = 0; j < Tile::fragments; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int32_t query = own0 + group + e / 2 * 8, key = key0 + j * 8 + 2 * member + e % 2;
        float score = scores[j][e] * s.scale;
        if (s.bias != nullptr && query < s.tokens && key < keys) score += s.bias[s.biasOf(h, query) + key];
        scores[j][e] = key < keys ? score : -INFINITY;
        largest[e / 2] = fmaxf(largest[e / 2], scores[j][e]);
      }
    }
    float shift[2], correction[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      largest[half] = rowLargest(largest[half]);
      shift[half] = largest[half] == -INFINITY ? 0.0f : largest[half];
      correction[half] = exponential<Tile::arithmetic>(before[half] - shift[half]);
      total[half] *= correction[half];
    }
#pragma unroll
    for (int j = 0; j < Tile::fragments; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        scores[j][e] = exponential<Tile::arithmetic>(scores[j][e] - shift[e / 2]);
        total[e / 2] += scores[j][e];
      }
      if (s.dropout > 0) {
        float factors[4];
        dropout.ofQueries(factors, own0, key0 + j * 8, lane);
#pragma unroll
        for (int e = 0; e < 4; ++e) scores[j][e] *= factors[e];
      }
    }
#pragma unroll
    for (int j = 0; j < Tile::headFragments; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[j][e] *= correction[e / 2];
    multiplyWeights<Tile>(sums, scores, keyRows + Tile::columnsSize, lane);
  }

  float inverse[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    total[half] = rowSum(total[half]);
    inverse[half] = total[half] > 0 ? 1.0f / total[half] : 0.0f;
    const int32_t query = own0 + group + half * 8;
    if (member == 0 && query < s.tokens) logSumExp[s.statisticsOf(b, h) + query] = keys > 0 ? largest[half] + logf(total[half]) : -INFINITY;
  }
  T* to = out + s.outOf(b, h) + own0 * s.outStep();
  storeRows<Tile>(to, s.outStep(), s.tokens - own0, s.headDim, sums, inverse[0], inverse[1], lane, aligned);
}

}  // namespace attend

template <typename T>
void attentionTiled(const AttentionShape<T>& s, T* out, float* logSumExp) {
  attend::withTile(s, [&](auto tile) {
    using Tile = decltype(tile);
    const size_t bytes = sizeof(T) * (Tile::rowsSize + 4 * Tile::columnsSize);
    const dim3 grid(attend::tilesOf(s.tokens, attend::kRows), static_cast<unsigned>(s.heads), static_cast<unsigned>(s.batch));
    launch("attention", attend::forwardKernel<Tile, T>, grid, attend::kThreads, bytes, s, out, logSumExp,
           attend::alignedRows<T>(s.headDim, {s.qkv, out}));
  });
}

template void attentionTiled<float>(const AttentionShape<float>&, float*, float*);
template void attentionTiled<bf16>(const AttentionShape<bf16>&, bf16*, float*);

}  // namespace data2vec::cuda
