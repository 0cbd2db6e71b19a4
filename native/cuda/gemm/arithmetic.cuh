// The arithmetics of products on tensor cores, and fragments of f32 elements in each.
#ifndef DATA2VEC_CUDA_GEMM_ARITHMETIC_CUH
#define DATA2VEC_CUDA_GEMM_ARITHMETIC_CUH

#include <type_traits>

#include "cuda/mma.h"

namespace data2vec::cuda {

// f32 elements with all of their mantissa or with ten bits of it, or bf16 elements.
enum class Arithmetic { f32, tf32, bf16 };

template <Arithmetic A>
using ElementOf = std::conditional_t<A == Arithmetic::bf16, bf16, float>;

// Fragments of m16n8k8 from f32 elements. With Split each is the sum of two tf32, the second of which has what the first leaves, and a product
// takes three of the hardware; what it leaves out is below 2^-21 (Ootomo and Yokota 2022).
template <bool Split>
struct F32Product {
  template <int Count>
  struct Operand {
    uint32_t high[Count], low[Split ? Count : 1] = {};

    __device__ __forceinline__ void set(int i, float value) {
      high[i] = toTf32(value);
      if constexpr (Split) low[i] = toTf32(value - __uint_as_float(high[i]));
    }
  };
  struct A : Operand<4> {
    __device__ __forceinline__ A(float a0, float a1, float a2, float a3) {
      this->set(0, a0), this->set(1, a1), this->set(2, a2), this->set(3, a3);
    }
  };
  struct B : Operand<2> {
    __device__ __forceinline__ B(float b0, float b1) { this->set(0, b0), this->set(1, b1); }
  };

  // sums += a · b
  __device__ static __forceinline__ void add(float (&sums)[4], const A& a, const B& b) {
    if constexpr (Split) {
      // Tensor cores cut off what doesn't fit the sum that they are given; so they get none, and it is added where rounding is to nearest.
      float part[4] = {};
      mma_m16n8k8_tf32(part, a.high, b.low);
      mma_m16n8k8_tf32(part, a.low, b.high);
      mma_m16n8k8_tf32(part, a.high, b.high);
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[e] += part[e];
    } else {
      mma_m16n8k8_tf32(sums, a.high, b.high);
    }
  }
};

}  // namespace data2vec::cuda

#endif
