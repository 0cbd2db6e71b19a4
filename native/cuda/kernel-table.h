/* The CUDA kernels as functions of the signatures of kernels.h. */
#ifndef DATA2VEC_NATIVE_CUDA_KERNEL_TABLE_H
#define DATA2VEC_NATIVE_CUDA_KERNEL_TABLE_H

#include "kernels.h"

namespace data2vec {

struct CudaKernels {
#define DATA2VEC_FIELD(name) decltype(&::name) name;
  DATA2VEC_KERNELS(DATA2VEC_FIELD)
#undef DATA2VEC_FIELD
};

// With float32 activations, and with bf16 ones behind the same pointers.
extern const CudaKernels cudaKernelsF32, cudaKernelsBf16;

}  // namespace data2vec

#endif
