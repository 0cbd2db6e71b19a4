// gatherRows: rows in the order of an index, zeros where it is negative, and its gradient.
#include "cuda/typed-kernels.h"
#include "cuda/segments.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct Gather {
  T* y;
  const T* x;
  const int32_t* index;
  int32_t dim;

  __device__ void operator()(int32_t i) const {
    T* to = y + static_cast<size_t>(i) * dim;
    if (index[i] >= 0) copyRow(to, x + static_cast<size_t>(index[i]) * dim, dim);
    else zeroRow(to, dim);
  }
};

}  // namespace

template <typename T>
void gather_rows(T* y, const T* x, const int32_t* index, int32_t count, int32_t dim) {
  forRows("gather_rows", count, Gather<T>{y, x, index, dim});
}
DATA2VEC_FOR_EACH_TYPE(gather_rows)

template <typename T>
void gather_rows_grad(T* dx, const T* dy, const int32_t* index, int32_t count, int32_t x_rows, int32_t dim) {
  const size_t bytes = sizeof(T) * static_cast<size_t>(x_rows) * dim;
  if (bytes > 0) check(cudaMemsetAsync(dx, 0, bytes, context().stream), "gather_rows_grad");
  sumSegments<false>("gather_rows_grad", dx, dy, index, count, dim, -1);
}
DATA2VEC_FOR_EACH_TYPE(gather_rows_grad)

}  // namespace data2vec::cuda
