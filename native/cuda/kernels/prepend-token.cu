// prependToken: a learned token before the others of each sample, and its gradient.
#include "cuda/columns.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct Prepend {
  T* y;
  const T* x;
  const float* token;
  int32_t tokens, dim;

  __device__ void operator()(int32_t row) const {
    const int32_t sample = row / (tokens + 1), t = row % (tokens + 1);
    T* to = y + static_cast<size_t>(row) * dim;
    if (t == 0) copyRow(to, token, dim);
    else copyRow(to, x + (static_cast<size_t>(sample) * tokens + t - 1) * dim, dim);
  }
};

template <typename T>
struct DropFirst {
  T* dx;
  const T* dy;
  int32_t tokens, dim;

  __device__ void operator()(int32_t row) const {
    // One more row of dy for each sample up to this one.
    copyRow(dx + static_cast<size_t>(row) * dim, dy + (static_cast<size_t>(row) + row / tokens + 1) * dim, dim);
  }
};

template <typename T>
struct FirstTokens {
  const T* dy;
  int32_t tokens, dim;

  __device__ void operator()(int32_t sample, int32_t c, float (&sums)[1]) const {
    sums[0] += toFloat(dy[static_cast<size_t>(sample) * (tokens + 1) * dim + c]);
  }
};

}  // namespace

template <typename T>
void prepend_token(T* y, const T* x, const float* token, int32_t batch, int32_t tokens, int32_t dim) {
  forRows("prepend_token", batch * (tokens + 1), Prepend<T>{y, x, token, tokens, dim});
}
DATA2VEC_FOR_EACH_TYPE(prepend_token)

template <typename T>
void prepend_token_grad(T* dx, float* d_token, const T* dy, int32_t batch, int32_t tokens, int32_t dim) {
  forRows("prepend_token_grad", batch * tokens, DropFirst<T>{dx, dy, tokens, dim});
  addColumnSums<1>("prepend_token_grad", {d_token}, batch, dim, FirstTokens<T>{dy, tokens, dim});
}
DATA2VEC_FOR_EACH_TYPE(prepend_token_grad)

}  // namespace data2vec::cuda
