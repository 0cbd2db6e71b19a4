#include "cuda/kernel-table.h"

#include "cuda/kernels.h"

namespace data2vec {

const CudaKernels cudaKernels = {
#define DATA2VEC_ENTRY(name) cuda::name<float>,
    DATA2VEC_KERNELS(DATA2VEC_ENTRY)
#undef DATA2VEC_ENTRY
};

}  // namespace data2vec
