// What the pointers of products point to beside activations of type T: parameters, which are float32 with a mirror in bf16.
#ifndef DATA2VEC_CUDA_KERNELS_ELEMENTS_H
#define DATA2VEC_CUDA_KERNELS_ELEMENTS_H

#include <string>
#include <type_traits>

#include "cuda/bf16.h"
#include "cuda/context.h"
#include "cuda/gemm/gemm.h"

namespace data2vec::cuda {

template <typename T>
constexpr Element elementOf = std::is_same_v<T, bf16> ? Element::bf16 : Element::f32;

// A parameter as an operand beside activations of type T. Throws where it should have a mirror and has none.
template <typename T>
const T* operandOf(const char* op, const float* parameter) {
  if constexpr (std::is_same_v<T, float>) {
    return parameter;
  } else {
    const void* mirror = context().mirrorOf(parameter);
    if (mirror == nullptr) throw CudaError(std::string(op) + ": weight: lies in no memory of parameters, so that it has no bf16 mirror");
    return static_cast<const T*>(mirror);
  }
}

}  // namespace data2vec::cuda

#endif
