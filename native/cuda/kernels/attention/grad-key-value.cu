// The gradients of keys and values on tensor cores: a block for 64 keys of a head, past which queries and d_out go. Scores are held with a
// row for each key, so that they are at once the left operand of both products.
#include "cuda/kernels/attention/tile.cuh"

namespace data2vec::cuda {

namespace attend {

template <typename Tile, typename T>
__global__ void __launch_bounds__(kThreads) gradKeyValueKernel(AttentionGradient<T> g, bool aligned) {
  DYNAMIC_SHARED(shared, T);
  const AttentionShape<T>& s = g.shape;
  T* keyRows = shared;
  T* values = shared + Tile::rowsSize;
  T* stages = shared + 2 * Tile::rowsSize;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, group = lane / 4, member = lane % 4;
  const auto key0 = static_cast<int32_t>(blockIdx.x) * kRows, h = static_cast<int32_t>(blockIdx.y), b = static_cast<int32_t>(blockIdx.z);
  const int32_t own0 = key0 + warp * 16, keys = s.keys(b);
  const int32_t steps = key0 < keys ? (s.tokens + Tile::columns - 1) / Tile::columns : 0;

  const auto fetch = [&](int32_t step) {
    T* stage = stages + step % 2 * (2 * Tile::columnsSize);
    const int32_t query = step * Tile::columns;
    copyPart<Tile, Tile::columns>(stage, s, b, h, 0, query, s.tokens, aligned);
    copyOut<Tile, Tile::columns>(stage + Tile::columnsSize, g.dOut, s, b, h, query, aligned);
  };
  if (steps > 0) {
    copyPart<Tile, kRows>(keyRows, s, b, h, 1, key0, keys, aligned);
    copyPart<Tile, kRows>(values, s, b, h, 2, key0, keys, aligned);
    fetch(0);
  }
  cp_async_commit();

  const Dropout dropout(s, b, h);
  const int64_t statistics = s.statisticsOf(b, h);
  float dKeys[Tile::headFragments][4] = {}, dValues[Tile::headFragments][4] = {};
  for (int32_t step = 0; step < steps; ++step) {
    cp_async_wait<0>();
    __syncthreads();
    // The stage that all threads left before the barrier.
    if (step + 1 < steps) fetch(step + 1);
    cp_async_commit();
    const T* queries = stages + step % 2 * (2 * Tile::columnsSize);
    const T* dOut = queries + Tile::columnsSize;
    const int32_t query0 = step * Tile::columns;
    float scores[Tile::fragments][4], gradients[Tile::fragments][4];
    multiplyRows<Tile>(scores, keyRows + warp * 16 * Tile::pitch, queries, lane);
    subtractDistances<Tile>(scores, s, b, h, own0, query0, lane);
    multiplyRows<Tile>(gradients, values + warp * 16 * Tile::pitch, dOut, lane);
#pragma unroll
    for (int j = 0; j < Tile::fragments; ++j) {
      float factors[4] = {1.0f, 1.0f, 1.0f, 1.0f};
      if (s.dropout > 0) dropout.ofKeys(factors, own0, query0 + j * 8, lane);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int32_t key = own0 + group + e / 2 * 8, query = query0 + j * 8 + 2 * member + e % 2;
        float probability = 0.0f, delta = 0.0f;
        if (key < keys && query < s.tokens) {
          float score = scores[j][e] * s.scale;
          if (s.bias != nullptr) score += s.bias[s.biasOf(h, query) + key];
          probability = exponential<Tile::arithmetic>(score - g.logSumExp[statistics + query]);
          delta = g.delta[statistics + query];
        }
        // The probability after dropout, and the gradient of the score.
        scores[j][e] = probability * factors[e];
        gradients[j][e] = probability * (factors[e] * gradients[j][e] - delta);
      }
    }
    multiplyWeights<Tile>(dValues, scores, dOut, lane);
    multiplyWeights<Tile>(dKeys, gradients, queries, lane);
  }
  T* to = g.dQkv + s.qkvOf(b, h, 1) + own0 * s.qkvStep();
  storeRows<Tile>(to, s.qkvStep(), s.tokens - own0, s.headDim, dKeys, s.scale, s.scale, lane, aligned);
  storeRows<Tile>(to + s.outStep(), s.qkvStep(), s.tokens - own0, s.headDim, dValues, 1.0f, 1.0f, lane, aligned);
}

}  // namespace attend

template <typename T>
void attentionGradKeyValue(const AttentionGradient<T>& g) {
  const AttentionShape<T>& s = g.shape;
  attend::withTile(s, [&](auto tile) {
    using Tile = decltype(tile);
    const size_t bytes = sizeof(T) * (2 * Tile::rowsSize + 4 * Tile::columnsSize);
    const dim3 grid(attend::tilesOf(s.tokens, attend::kRows), static_cast<unsigned>(s.heads), static_cast<unsigned>(s.batch));
    launch("attention_grad", attend::gradKeyValueKernel<Tile, T>, grid, attend::kThreads, bytes, g,
           attend::alignedRows<T>(s.headDim, {s.qkv, g.dOut, g.dQkv}));
  });
}

template void attentionGradKeyValue<float>(const AttentionGradient<float>&);
template void attentionGradKeyValue<bf16>(const AttentionGradient<bf16>&);

}  // namespace data2vec::cuda
