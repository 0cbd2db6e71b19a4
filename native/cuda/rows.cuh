// Kernels in which a warp computes a row.
#ifndef DATA2VEC_CUDA_ROWS_CUH
#define DATA2VEC_CUDA_ROWS_CUH

#include "cuda/grid.h"
#include "cuda/launch.h"
#include "cuda/pack.cuh"

namespace data2vec::cuda {

__device__ inline int32_t laneId() { return static_cast<int32_t>(threadIdx.x % 32); }

// f(row) by all lanes of a warp, for each row.
template <typename F>
__global__ void rowsKernel(int32_t rows, F f) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (row < rows) f(static_cast<int32_t>(row));
}

template <typename F>
void forRows(const char* op, int32_t rows, F f) {
  if (rows > 0) launch(op, rowsKernel<F>, piecesOf(rows, kWarps), kThreads, 0, rows, f);
}

// y[c] = f(c, x[c]...) over a row, by the lanes of a warp.
template <typename F, typename T, typename... In>
__device__ inline void mapRow(int32_t dim, F f, T* y, const In*... x) {
  if (dim % 4 == 0 && isAligned(y) && (isAligned(x) && ...)) {
    for (int32_t c = 4 * laneId(); c < dim; c += 128) {
      const auto all = [&](const auto&... packs) {
        Pack<T> result;
#pragma unroll
        for (int j = 0; j < 4; ++j) result.v[j] = fromFloat<T>(f(c + j, toFloat(packs.v[j])...));
        storePack(y + c, result);
      };
      all(loadPack(x + c)...);
    }
    return;
  }
  for (int32_t c = laneId(); c < dim; c += 32) y[c] = fromFloat<T>(f(c, toFloat(x[c])...));
}

template <typename T, typename In>
__device__ inline void copyRow(T* y, const In* x, int32_t dim) {
  mapRow(dim, [](int32_t, float value) { return value; }, y, x);
}

template <typename T>
__device__ inline void zeroRow(T* y, int32_t dim) {
  mapRow(dim, [](int32_t) { return 0.0f; }, y);
}

}  // namespace data2vec::cuda

#endif
