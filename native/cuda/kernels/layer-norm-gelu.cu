// layerNormGelu: gelu of the layer norm of each row, and its gradient, which computes the layer norm again.
#include "cuda/columns.cuh"
#include "cuda/gelu.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/norm.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct LayerNormGeluRow {
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
    const Normalize norm{weight, bias, statistics};
    mapRow(dim, [&norm](int32_t c, float value) { return geluOf(norm(c, value)); }, y + at, x + at);
  }
};

template <typename T>
struct LayerNormGeluGradRow {
  T* dx;
  const T *dy, *x;
  const float *weight, *bias, *mean, *rstd;
  int32_t dim;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    const Normalize norm{weight, bias, {mean[row], rstd[row]}};
    layerNormGradRow(dx + at, x + at, dim, norm,
                     [&norm, this, at](int32_t c) { return toFloat(dy[at + c]) * geluSlope(norm(c, toFloat(x[at + c]))); });
  }
};

template <typename T>
struct GeluWeightGrad {
  const T *dy, *x;
  const float *weight, *bias, *mean, *rstd;
  int32_t dim;

  __device__ void operator()(int32_t row, int32_t c, float (&sums)[2]) const {
    const size_t at = static_cast<size_t>(row) * dim + c;
    const Normalize norm{weight, bias, {mean[row], rstd[row]}};
    const float value = toFloat(x[at]), g = toFloat(dy[at]) * geluSlope(norm(c, value));
    sums[0] = fmaf(g, norm.normalized(value), sums[0]);
    sums[1] += g;
  }
};

}  // namespace

template <typename T>
void layer_norm_gelu(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int32_t rows, int32_t dim,
                     float eps) {
  forRows("layer_norm_gelu", rows, LayerNormGeluRow<T>{y, mean, rstd, x, weight, bias, dim, eps});
}
DATA2VEC_FOR_EACH_TYPE(layer_norm_gelu)

template <typename T>
void layer_norm_gelu_grad(T* dx, float* d_weight, float* d_bias, const T* dy, const T* x, const float* weight, const float* bias,
                          const float* mean, const float* rstd, int32_t rows, int32_t dim) {
  forRows("layer_norm_gelu_grad", rows, LayerNormGeluGradRow<T>{dx, dy, x, weight, bias, mean, rstd, dim});
  if (weight == nullptr) return;
  addColumnSums<2>("layer_norm_gelu_grad", {d_weight, d_bias}, rows, dim, GeluWeightGrad<T>{dy, x, weight, bias, mean, rstd, dim});
}
DATA2VEC_FOR_EACH_TYPE(layer_norm_gelu_grad)

}  // namespace data2vec::cuda
