// The gradient of the bias on tensor cores: a block for one tile of a head, which goes over the batch in order.
#include "cuda/kernels/attention/gradient.cuh"

namespace data2vec::cuda {

namespace attend {

template <typename Tile, typename T>
__global__ void __launch_bounds__(kThreads) gradBiasKernel(AttentionGradient<T> g, bool aligned) {
  DYNAMIC_SHARED(shared, T);
  const AttentionShape<T>& s = g.shape;
  T* queries = shared;
  T* dOut = queries + Tile::rowsSize;
  T* keyRows = dOut + Tile::rowsSize;
  T* values = keyRows + Tile::columnsSize;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const auto key0 = static_cast<int32_t>(blockIdx.x) * Tile::columns, query0 = static_cast<int32_t>(blockIdx.y) * kRows;
  const auto h = static_cast<int32_t>(blockIdx.z);
  const int32_t own0 = query0 + warp * 16, rows = s.tokens - query0;

  float sums[Tile::fragments][4] = {};
  for (int32_t b = 0; b < s.batch; ++b) {
    const int32_t keys = s.keys(b);
    if (key0 >= keys) continue;
    copyRows<Tile, kRows>(queries, s.qkv + s.qkvOf(b, h, 0) + query0 * s.qkvStep(), s.qkvStep(), rows, s.headDim, aligned);
    copyRows<Tile, kRows>(dOut, g.dOut + s.outOf(b, h) + query0 * s.outStep(), s.outStep(), rows, s.headDim, aligned);
    copyRows<Tile, Tile::columns>(keyRows, s.qkv + s.qkvOf(b, h, 1) + key0 * s.qkvStep(), s.qkvStep(), keys - key0, s.headDim, aligned);
    copyRows<Tile, Tile::columns>(values, s.qkv + s.qkvOf(b, h, 2) + key0 * s.qkvStep(), s.qkvStep(), keys - key0, s.headDim, aligned);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    float scores[Tile::fragments][4], gradients[Tile::fragments][4];
    multiplyRows<Tile>(scores, queries + warp * 16 * Tile::pitch, keyRows, lane);
    multiplyRows<Tile>(gradients, dOut + warp * 16 * Tile::pitch, values, lane);
    gradientOfScores<Tile>(scores, gradients, s, statisticsOf(g, b, h, own0, lane), Dropout(s, b, h), h, own0, key0, keys, lane);
#pragma unroll
    for (int j = 0; j < Tile::fragments; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[j][e] += scores[j][e];
    __syncthreads();
  }
#pragma unroll
  for (int j = 0; j < Tile::fragments; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int32_t query = own0 + lane / 4 + e / 2 * 8, key = key0 + j * 8 + 2 * (lane % 4) + e % 2;
      if (query < s.tokens && key < s.tokens) g.dBias[(static_cast<int64_t>(h) * s.tokens + query) * s.tokens + key] += sums[j][e];
    }
  }
}

}  // namespace attend

template <typename T>
void attentionGradBias(const AttentionGradient<T>& g) {
  const AttentionShape<T>& s = g.shape;
  attend::withTile<T>(s.headDim, [&](auto tile) {
    using Tile = decltype(tile);
    const size_t bytes = sizeof(T) * (2 * Tile::rowsSize + 2 * Tile::columnsSize);
    const dim3 grid(attend::tilesOf(s.tokens, Tile::columns), attend::tilesOf(s.tokens, attend::kRows), static_cast<unsigned>(s.heads));
    launch("attention_grad", attend::gradBiasKernel<Tile, T>, grid, attend::kThreads, bytes, g, attend::alignedRows<T>(s.headDim, {s.qkv, g.dOut}));
  });
}

template void attentionGradBias<float>(const AttentionGradient<float>&);
template void attentionGradBias<bf16>(const AttentionGradient<bf16>&);

}  // namespace data2vec::cuda
