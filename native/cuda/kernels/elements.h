// What the pointers of kernels.h point to in the current context: activations are f32 or bf16, parameters f32 with a mirror in bf16.
#ifndef DATA2VEC_CUDA_KERNELS_ELEMENTS_H
#define DATA2VEC_CUDA_KERNELS_ELEMENTS_H

#include "cuda/context.h"
#include "cuda/gemm/gemm.h"

namespace data2vec::cuda {

inline Element activation() { return context().precision == Precision::bf16 ? Element::bf16 : Element::f32; }

// A parameter as an operand beside activations: its bf16 mirror where those are bf16.
inline const void* operandOf(const float* parameter) {
  const Context& own = context();
  if (own.precision != Precision::bf16) return parameter;
  return own.mirrorBase + (reinterpret_cast<const char*>(parameter) - own.heapBase) / 2;
}

}  // namespace data2vec::cuda

#endif
