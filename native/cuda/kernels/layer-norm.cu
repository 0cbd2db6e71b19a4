// layerNorm: (x - mean) / sqrt(variance + eps) per row, with an optional weight and bias, and its gradient.
#include "cuda/columns.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/norm.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct LayerNormRow {
  T* y;
  float *mean, *rstd;
  const T* x;
  const float *weight, *bias;
  int32_t dim;
  float eps;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    const RowStatistics statistics = rowStatistics(x + at, dim, eps);
    if (laneId() == 0) {
      mean[row] = statistics.mean;
      rstd[row] = statistics.rstd;
    }
    mapRow(dim, Normalize{weight, bias, statistics}, y + at, x + at);
  }
};

template <typename T>
struct LayerNormGradRow {
  T* dx;
  const T *dy, *x;
  const float *weight, *mean, *rstd;
  int32_t dim;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    const Normalize norm{weight, nullptr, {mean[row], rstd[row]}};
    layerNormGradRow(dx + at, x + at, dim, norm, [this, at](int32_t c) { return toFloat(dy[at + c]); });
  }
};

template <typename T>
struct WeightGrad {
  const T *dy, *x;
  const float *mean, *rstd;
  int32_t dim;

  __device__ void operator()(int32_t row, int32_t c, float (&sums)[2]) const {
    const size_t at = static_cast<size_t>(row) * dim + c;
    const float g = toFloat(dy[at]);
    sums[0] = fmaf(g, (toFloat(x[at]) - mean[row]) * rstd[row], sums[0]);
    sums[1] += g;
  }
};

}  // namespace

template <typename T>
void layer_norm(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int32_t rows, int32_t dim, float eps) {
  forRows("layer_norm", rows, LayerNormRow<T>{y, mean, rstd, x, weight, bias, dim, eps});
}
DATA2VEC_FOR_EACH_TYPE(layer_norm)

template <typename T>
void layer_norm_grad(T* dx, float* d_weight, float* d_bias, const T* dy, const T* x, const float* weight, const float* mean,
                     const float* rstd, int32_t rows, int32_t dim) {
  forRows("layer_norm_grad", rows, LayerNormGradRow<T>{dx, dy, x, weight, mean, rstd, dim});
  if (weight != nullptr) addColumnSums<2>("layer_norm_grad", {d_weight, d_bias}, rows, dim, WeightGrad<T>{dy, x, mean, rstd, dim});
}
DATA2VEC_FOR_EACH_TYPE(layer_norm_grad)

}  // namespace data2vec::cuda
