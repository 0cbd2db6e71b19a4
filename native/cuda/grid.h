// How kernels share out their work.
#ifndef DATA2VEC_CUDA_GRID_H
#define DATA2VEC_CUDA_GRID_H

#include <cstddef>
#include <cstdint>

#include "cuda/context.h"

namespace data2vec::cuda {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

// Pieces of `size` that cover `count`.
__host__ __device__ constexpr int32_t piecesOf(int64_t count, int64_t size) { return static_cast<int32_t>((count + size - 1) / size); }

// The number of this thread in a grid of blocks of kThreads.
__device__ inline size_t threadNumber() { return static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x; }

// The workspace of the op that runs now, as elements of one type.
template <typename T>
T* workspace(size_t count) {
  return static_cast<T*>(context().workspace(count * sizeof(T)));
}

}  // namespace data2vec::cuda

#endif
