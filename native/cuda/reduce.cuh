// Sums and largest values over warps and blocks, always in the same order.
#ifndef DATA2VEC_CUDA_REDUCE_CUH
#define DATA2VEC_CUDA_REDUCE_CUH

#include "cuda/grid.h"
#include "cuda/launch.h"

namespace data2vec::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;

// All lanes get the sum.
template <typename T>
__device__ inline T warpSum(T value) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  return value;
}

__device__ inline float warpLargest(float value) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, lanes));
  return value;
}

// All threads of a block of kThreads get the sum. Holds two barriers.
template <typename T>
__device__ inline T blockSum(T value) {
  SHARED(warps, T[kWarps]);
  value = warpSum(value);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  T sum = warps[0];
#pragma unroll
  for (int w = 1; w < kWarps; ++w) sum += warps[w];
  __syncthreads();
  return sum;
}

// The sum of `count` partial results, by one block; all of its threads get it.
template <typename T>
__device__ inline T sumOfPartials(const T* partials, int32_t count) {
  T sum = 0;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += kThreads) sum += partials[i];
  return blockSum(sum);
}

}  // namespace data2vec::cuda

#endif
