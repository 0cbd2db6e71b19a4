// relativeBias: the attention bias of each pair of positions, looked up in a table, and the gradient of the table.
#include "cuda/reduce.cuh"
#include "kernels.h"

using namespace data2vec::cuda;

namespace {

__global__ void relativeBiasKernel(float* bias, const float* table, const int32_t* index, int32_t heads, int32_t positions) {
  const size_t p = threadNumber();
  if (p >= static_cast<size_t>(positions)) return;
  const float* row = table + static_cast<size_t>(index[p]) * heads;
  for (int32_t h = 0; h < heads; ++h) bias[static_cast<size_t>(h) * positions + p] = row[h];
}

// Heads that a block adds at once.
constexpr int kHeads = 8;

// A block looks for the positions of one row of the table.
__global__ void relativeBiasGradKernel(float* dTable, const float* dBias, const int32_t* index, int32_t heads, int32_t positions) {
  const int32_t row = static_cast<int32_t>(blockIdx.x), firstHead = static_cast<int32_t>(blockIdx.y) * kHeads;
  const int32_t count = min(kHeads, heads - firstHead);
  float sums[kHeads] = {};
  for (int32_t p = static_cast<int32_t>(threadIdx.x); p < positions; p += kThreads) {
    if (index[p] != row) continue;
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      if (h < count) sums[h] += dBias[static_cast<size_t>(firstHead + h) * positions + p];
    }
  }
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    const float sum = blockSum(sums[h]);
    if (threadIdx.x == 0 && h < count) dTable[static_cast<size_t>(row) * heads + firstHead + h] += sum;
  }
}

}  // namespace

void relative_bias(float* bias, const float* table, const int32_t* index, int32_t heads, int32_t positions) {
  const int32_t blocks = piecesOf(positions, kThreads);
  if (blocks > 0) launch("relative_bias", relativeBiasKernel, blocks, kThreads, 0, bias, table, index, heads, positions);
}

void relative_bias_grad(float* d_table, const float* d_bias, const int32_t* index, int32_t heads, int32_t positions, int32_t table_rows) {
  if (table_rows == 0 || heads == 0) return;
  const dim3 grid(static_cast<unsigned>(table_rows), static_cast<unsigned>(piecesOf(heads, kHeads)));
  launch("relative_bias_grad", relativeBiasGradKernel, grid, kThreads, 0, d_table, d_bias, index, heads, positions);
}
