// Mean and deviation of a row, and the layer norm of it, by the lanes of a warp.
#ifndef DATA2VEC_CUDA_NORM_CUH
#define DATA2VEC_CUDA_NORM_CUH

#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

struct RowStatistics {
  float mean, rstd;
};

// Mean and 1 / sqrt(biased variance + eps), in two passes; the first is taken about the row's first element.
template <typename T>
__device__ inline RowStatistics rowStatistics(const T* x, int32_t dim, float eps) {
  const float shift = toFloat(x[0]);
  float sum = 0, squares = 0;
  for (int32_t c = laneId(); c < dim; c += 32) sum += toFloat(x[c]) - shift;
  const float mean = shift + warpSum(sum) / static_cast<float>(dim);
  for (int32_t c = laneId(); c < dim; c += 32) {
    const float d = toFloat(x[c]) - mean;
    squares = fmaf(d, d, squares);
  }
  return {mean, 1.0f / sqrtf(warpSum(squares) / static_cast<float>(dim) + eps)};
}

// One element of a layer norm, and of its gradient; weight and bias are absent together.
struct Normalize {
  const float *weight, *bias;
  RowStatistics row;

  __device__ float normalized(float x) const { return (x - row.mean) * row.rstd; }
  __device__ float operator()(int32_t c, float x) const {
    return weight == nullptr ? normalized(x) : fmaf(normalized(x), weight[c], bias[c]);
  }
  __device__ float weighted(int32_t c, float dy) const { return weight == nullptr ? dy : dy * weight[c]; }
};

// dx of a row's layer norm; d(c) is the gradient of its output.
template <typename T, typename D>
__device__ inline void layerNormGradRow(T* dx, const T* x, int32_t dim, const Normalize& norm, D d) {
  float sum = 0, sumNormalized = 0;
  for (int32_t c = laneId(); c < dim; c += 32) {
    const float g = norm.weighted(c, d(c));
    sum += g;
    sumNormalized = fmaf(g, norm.normalized(toFloat(x[c])), sumNormalized);
  }
  const float meanD = warpSum(sum) / static_cast<float>(dim), meanNormalized = warpSum(sumNormalized) / static_cast<float>(dim);
  for (int32_t c = laneId(); c < dim; c += 32) {
    const float g = norm.weighted(c, d(c)), normalized = norm.normalized(toFloat(x[c]));
    dx[c] = fromFloat<T>(norm.row.rstd * (g - meanD - normalized * meanNormalized));
  }
}

}  // namespace data2vec::cuda

#endif
