// What the gradient kernels of attention share: scores of a warp's queries against keys become the gradients of these scores.
#ifndef DATA2VEC_CUDA_KERNELS_ATTENTION_GRADIENT_CUH
#define DATA2VEC_CUDA_KERNELS_ATTENTION_GRADIENT_CUH

#include "cuda/kernels/attention/tile.cuh"

namespace data2vec::cuda::attend {

// What the forward left of the two queries of a lane. Queries that don't exist have no probability anywhere.
struct QueryStatistics {
  float logSumExp[2], delta[2];
};
template <typename T>
__device__ __forceinline__ QueryStatistics statisticsOf(const AttentionGradient<T>& g, int32_t b, int32_t h, int32_t first, int lane) {
  QueryStatistics own{{INFINITY, INFINITY}, {0.0f, 0.0f}};
  const int64_t row = g.shape.statisticsOf(b, h);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int32_t query = first + lane / 4 + half * 8;
    if (query >= g.shape.tokens) continue;
    own.logSumExp[half] = g.logSumExp[row + query];
    own.delta[half] = g.delta[row + query];
  }
  return own;
}

// scores: products of queries and keys, become probability * (keep * gradient - delta); gradients: products of d_out and values.
template <typename Tile, typename T>
__device__ __forceinline__ void gradientOfScores(float (&scores)[Tile::fragments][4], const float (&gradients)[Tile::fragments][4],
                                                 const AttentionShape<T>& s, const QueryStatistics& own, const Dropout& dropout, int32_t b,
                                                 int32_t h, int32_t query0, int32_t key0, int32_t keys, int lane) {
  subtractDistances<Tile>(scores, s, b, h, query0, key0, lane);
  const int group = lane / 4, member = lane % 4;
#pragma unroll
  for (int j = 0; j < Tile::fragments; ++j) {
    float factors[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    if (s.dropout > 0) dropout.ofQueries(factors, query0, key0 + j * 8, lane);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int32_t query = query0 + group + e / 2 * 8, key = key0 + j * 8 + 2 * member + e % 2;
      float score = scores[j][e] * s.scale;
      if (s.bias != nullptr && query < s.tokens && key < keys) score += s.bias[s.biasOf(h, query) + key];
      const float probability = key < keys ? exponential<Tile::arithmetic>(score - own.logSumExp[e / 2]) : 0.0f;
      scores[j][e] = probability * (factors[e] * gradients[j][e] - own.delta[e / 2]);
    }
  }
}

}  // namespace data2vec::cuda::attend

#endif
