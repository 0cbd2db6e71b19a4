// bfloat16 under one name for nvcc and the emulation, and activations of either type as floats.
#ifndef DATA2VEC_CUDA_BF16_H
#define DATA2VEC_CUDA_BF16_H

#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#else
#include "cuda/emulation/cuda.h"
#endif

namespace data2vec::cuda {

#if defined(__CUDACC__)
using bf16 = __nv_bfloat16;
__host__ __device__ inline bf16 bf16FromBits(uint16_t bits) { return __ushort_as_bfloat16(bits); }
__host__ __device__ inline uint16_t bitsOf(bf16 value) { return __bfloat16_as_ushort(value); }
#else
struct bf16 {
  uint16_t bits;
};
inline bf16 bf16FromBits(uint16_t bits) { return {bits}; }
inline uint16_t bitsOf(bf16 value) { return value.bits; }
#endif

__host__ __device__ inline float toFloat(float value) { return value; }
#if defined(__CUDACC__)
__host__ __device__ inline float toFloat(bf16 value) { return __bfloat162float(value); }
#else
inline float toFloat(bf16 value) { return __uint_as_float(uint32_t{value.bits} << 16); }
#endif

// The nearest value of type T, ties to even: fromFloat<bf16>(x).
template <typename T>
__host__ __device__ inline T fromFloat(float value);
template <>
__host__ __device__ inline float fromFloat<float>(float value) {
  return value;
}
template <>
__host__ __device__ inline bf16 fromFloat<bf16>(float value) {
#if defined(__CUDACC__)
  return __float2bfloat16_rn(value);
#else
  const uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
#endif
}

// Two values in one register, `low` in the lower half, as mma.sync takes them.
__device__ inline uint32_t packBf16(float low, float high) {
  return uint32_t{bitsOf(fromFloat<bf16>(low))} | uint32_t{bitsOf(fromFloat<bf16>(high))} << 16;
}

// Two neighbours, in one store where `together` says that the address is a multiple of their size.
__device__ inline void storePair(float* to, float first, float second, bool together) {
  if (together) {
    *reinterpret_cast<float2*>(to) = make_float2(first, second);
  } else {
    to[0] = first;
    to[1] = second;
  }
}
__device__ inline void storePair(bf16* to, float first, float second, bool together) {
  if (together) {
    *reinterpret_cast<uint32_t*>(to) = packBf16(first, second);
  } else {
    to[0] = fromFloat<bf16>(first);
    to[1] = fromFloat<bf16>(second);
  }
}

}  // namespace data2vec::cuda

#endif
