// The mirror of parameters in bf16: what products beside bf16 activations read in their place.
#ifndef DATA2VEC_CUDA_MIRROR_H
#define DATA2VEC_CUDA_MIRROR_H

#include <cstddef>

namespace data2vec::cuda {

// Rounds `count` values from `values` on into their mirror, where they have one. `op` is for messages.
void writeMirror(const char* op, const float* values, size_t count);

}  // namespace data2vec::cuda

#endif
