#include "cuda/kernel-table.h"

#include "cuda/typed-kernels.h"

namespace data2vec {

namespace cuda {

// These take the type of the activations from the context.
#define DATA2VEC_BY_CONTEXT(name) \
  template <typename T>           \
  constexpr decltype(&::name) name = ::name;
DATA2VEC_BY_CONTEXT(linear)
DATA2VEC_BY_CONTEXT(linear_grad_input)
DATA2VEC_BY_CONTEXT(linear_grad_weight)
DATA2VEC_BY_CONTEXT(linear_gelu)
DATA2VEC_BY_CONTEXT(linear_residual)
DATA2VEC_BY_CONTEXT(conv1d)
DATA2VEC_BY_CONTEXT(conv1d_grad_input)
DATA2VEC_BY_CONTEXT(conv1d_grad_weight)
DATA2VEC_BY_CONTEXT(attention)
DATA2VEC_BY_CONTEXT(attention_grad)
#undef DATA2VEC_BY_CONTEXT

}  // namespace cuda

const CudaKernels cudaKernels = {
#define DATA2VEC_ENTRY(name) cuda::name<float>,
    DATA2VEC_KERNELS(DATA2VEC_ENTRY)
#undef DATA2VEC_ENTRY
};

}  // namespace data2vec
