// Four elements that one instruction loads or stores.
#ifndef DATA2VEC_CUDA_PACK_CUH
#define DATA2VEC_CUDA_PACK_CUH

#include <cstdint>

#include "cuda/bf16.h"

namespace data2vec::cuda {

template <typename T>
struct alignas(4 * sizeof(T)) Pack {
  T v[4];
};

template <typename T>
__host__ __device__ inline bool isAligned(const T* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % sizeof(Pack<T>) == 0;
}

template <typename T>
__device__ inline Pack<T> loadPack(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}

template <typename T>
__device__ inline void storePack(T* to, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(to) = pack;
}

__device__ inline Pack<bf16> rounded(const Pack<float>& pack) {
  Pack<bf16> result;
#pragma unroll
  for (int j = 0; j < 4; ++j) result.v[j] = fromFloat<bf16>(pack.v[j]);
  return result;
}

}  // namespace data2vec::cuda

#endif
