// meanPool: the mean over a range of each sample's tokens, and its gradient.
#include "cuda/columns.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

__device__ inline int32_t pooledEnd(const int32_t* lengths, int32_t sample, int32_t tokens) {
  return lengths == nullptr ? tokens : min(tokens, lengths[sample]);
}

// A block takes kColumns channels of a sample.
template <typename T>
__global__ void meanPoolKernel(T* y, const T* x, const int32_t* lengths, int32_t tokens, int32_t dim, int32_t first) {
  const int32_t sample = static_cast<int32_t>(blockIdx.y), c = static_cast<int32_t>(blockIdx.x * kColumns + threadIdx.x % kColumns);
  const int32_t end = pooledEnd(lengths, sample, tokens);
  float sums[1] = {};
  if (c < dim) {
    for (int32_t t = first + static_cast<int32_t>(threadIdx.x) / kColumns; t < end; t += kColumnLanes) {
      sums[0] += toFloat(x[(static_cast<size_t>(sample) * tokens + t) * dim + c]);
    }
  }
  addColumnLanes(sums);
  if (threadIdx.x < kColumns && c < dim) {
    y[static_cast<size_t>(sample) * dim + c] = fromFloat<T>(end > first ? sums[0] / static_cast<float>(end - first) : 0.0f);
  }
}

template <typename T>
struct MeanPoolGradRow {
  T* dx;
  const T* dy;
  const int32_t* lengths;
  int32_t tokens, dim, first;

  __device__ void operator()(int32_t row) const {
    const int32_t sample = row / tokens, t = row % tokens, end = pooledEnd(lengths, sample, tokens);
    T* to = dx + static_cast<size_t>(row) * dim;
    if (t < first || t >= end) return zeroRow(to, dim);
    const float share = 1.0f / static_cast<float>(end - first);
    mapRow(dim, [share](int32_t, float value) { return share * value; }, to, dy + static_cast<size_t>(sample) * dim);
  }
};

}  // namespace

template <typename T>
void mean_pool(T* y, const T* x, const int32_t* lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first) {
  if (batch == 0 || dim == 0) return;
  const dim3 grid(static_cast<unsigned>(piecesOf(dim, kColumns)), static_cast<unsigned>(batch));
  launch("mean_pool", meanPoolKernel<T>, grid, kThreads, 0, y, x, lengths, tokens, dim, first);
}
DATA2VEC_FOR_EACH_TYPE(mean_pool)

template <typename T>
void mean_pool_grad(T* dx, const T* dy, const int32_t* lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first) {
  forRows("mean_pool_grad", batch * tokens, MeanPoolGradRow<T>{dx, dy, lengths, tokens, dim, first});
}
DATA2VEC_FOR_EACH_TYPE(mean_pool_grad)

}  // namespace data2vec::cuda
