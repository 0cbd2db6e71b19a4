// Sums over rows for each channel: the gradients of parameters. Rows are cut into pieces by the sizes alone, and added in their order.
#ifndef DATA2VEC_CUDA_COLUMNS_CUH
#define DATA2VEC_CUDA_COLUMNS_CUH

#include "cuda/grid.h"
#include "cuda/launch.h"

namespace data2vec::cuda {

// A block takes kColumns channels of a piece of the rows, kColumnLanes rows at a time.
constexpr int kColumns = 32;
constexpr int kColumnLanes = kThreads / kColumns;

struct ColumnSplit {
  int32_t rows, dim, chunk, pieces;
  ColumnSplit(int32_t rows, int32_t dim) : rows(rows), dim(dim) {
    // Some 16 rows for each thread, but no more than 128 pieces.
    const int32_t least = 16 * kColumnLanes, even = piecesOf(rows, 128);
    chunk = even > least ? even : least;
    pieces = piecesOf(rows, chunk);
  }
};

// Adds over a block's kColumnLanes: the sums of its first kColumns threads hold all of it. Holds N * 2 barriers.
template <int N>
__device__ inline void addColumnLanes(float (&sums)[N]) {
  SHARED(lanes, float[kColumnLanes][kColumns]);
  const int32_t column = static_cast<int32_t>(threadIdx.x) % kColumns, lane = static_cast<int32_t>(threadIdx.x) / kColumns;
#pragma unroll
  for (int n = 0; n < N; ++n) {
    lanes[lane][column] = sums[n];
    __syncthreads();
    if (lane == 0) {
#pragma unroll
      for (int l = 1; l < kColumnLanes; ++l) sums[n] += lanes[l][column];
    }
    __syncthreads();
  }
}

// partials[piece][n][c] = the sum over the piece's rows of what f(row, c, sums) adds to sums[n].
template <int N, typename F>
__global__ void columnPartialsKernel(float* partials, int32_t rows, int32_t dim, int32_t chunk, F f) {
  const int32_t c = static_cast<int32_t>(blockIdx.x * kColumns + threadIdx.x % kColumns), piece = static_cast<int32_t>(blockIdx.y);
  const int32_t end = min(rows, (piece + 1) * chunk);
  float sums[N] = {};
  if (c < dim) {
    for (int32_t row = piece * chunk + static_cast<int32_t>(threadIdx.x) / kColumns; row < end; row += kColumnLanes) f(row, c, sums);
  }
  addColumnLanes(sums);
  if (threadIdx.x < kColumns && c < dim) {
#pragma unroll
    for (int n = 0; n < N; ++n) partials[(static_cast<size_t>(piece) * N + n) * dim + c] = sums[n];
  }
}

// out[c] += the partials of sum n, in order.
template <int N>
__global__ void addColumnPartialsKernel(float* out, const float* partials, int32_t dim, int32_t pieces, int32_t n) {
  const size_t c = threadNumber();
  if (c >= static_cast<size_t>(dim)) return;
  float sum = 0;
  for (int32_t piece = 0; piece < pieces; ++piece) sum += partials[(static_cast<size_t>(piece) * N + n) * dim + c];
  out[c] += sum;
}

// out[n][c] += the sum over rows of what f(row, c, sums) adds to sums[n]; absent ones are left out.
template <int N, typename F>
void addColumnSums(const char* op, float* const (&out)[N], int32_t rows, int32_t dim, F f) {
  if (rows == 0 || dim == 0) return;
  const ColumnSplit split(rows, dim);
  float* partials = workspace<float>(static_cast<size_t>(split.pieces) * N * dim);
  const dim3 grid(static_cast<unsigned>(piecesOf(dim, kColumns)), static_cast<unsigned>(split.pieces));
  launch(op, columnPartialsKernel<N, F>, grid, kThreads, 0, partials, rows, dim, split.chunk, f);
  for (int n = 0; n < N; ++n) {
    if (out[n] != nullptr) launch(op, addColumnPartialsKernel<N>, piecesOf(dim, kThreads), kThreads, 0, out[n], partials, dim, split.pieces, n);
  }
}

}  // namespace data2vec::cuda

#endif
