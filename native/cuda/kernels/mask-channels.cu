// maskChannels: zeros in the masked channels of each sample, which is its own backward.
#include "cuda/typed-kernels.h"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct MaskChannels {
  T* y;
  const T* x;
  const int32_t* mask;
  int32_t tokens, dim;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    const int32_t* masked = mask + static_cast<size_t>(row / tokens) * dim;
    mapRow(dim, [masked](int32_t c, float x) { return masked[c] != 0 ? 0.0f : x; }, y + at, x + at);
  }
};

}  // namespace

template <typename T>
void mask_channels(T* y, const T* x, const int32_t* mask, int32_t batch, int32_t tokens, int32_t dim) {
  forRows("mask_channels", batch * tokens, MaskChannels<T>{y, x, mask, tokens, dim});
}
DATA2VEC_FOR_EACH_TYPE(mask_channels)

}  // namespace data2vec::cuda
