// maskRows: puts a token or zeros in place of masked rows, and its gradient.
#include "cuda/columns.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct MaskRow {
  T* y;
  const T* x;
  const float* token;
  const int32_t* mask;
  int32_t dim;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    if (mask[row] == 0) copyRow(y + at, x + at, dim);
    else if (token != nullptr) copyRow(y + at, token, dim);
    else zeroRow(y + at, dim);
  }
};

template <typename T>
struct TokenGrad {
  const T* dy;
  const int32_t* mask;
  int32_t dim;

  __device__ void operator()(int32_t row, int32_t c, float (&sums)[1]) const {
    if (mask[row] != 0) sums[0] += toFloat(dy[static_cast<size_t>(row) * dim + c]);
  }
};

}  // namespace

template <typename T>
void mask_rows(T* y, const T* x, const float* token, const int32_t* mask, int32_t rows, int32_t dim) {
  forRows("mask_rows", rows, MaskRow<T>{y, x, token, mask, dim});
}
DATA2VEC_FOR_EACH_TYPE(mask_rows)

template <typename T>
void mask_rows_grad(T* dx, float* d_token, const T* dy, const int32_t* mask, int32_t rows, int32_t dim) {
  if (dx != nullptr) forRows("mask_rows_grad", rows, MaskRow<T>{dx, dy, nullptr, mask, dim});
  if (d_token != nullptr) addColumnSums<1>("mask_rows_grad", {d_token}, rows, dim, TokenGrad<T>{dy, mask, dim});
}
DATA2VEC_FOR_EACH_TYPE(mask_rows_grad)

}  // namespace data2vec::cuda
