// linear_residual: r + keep / (1 - drop_path) * gamma * (x · weightᵀ + bias).
#include "cuda/typed-kernels.h"
#include "kernels.h"

using namespace data2vec::cuda;

void linear_residual(float *y, float *branch, const float *r, const float *x, const float *weight, const float *bias, const float *gamma,
                     const uint32_t *rng, int32_t samples, int32_t rows_per_sample, int32_t in_dim, int32_t out_dim, float drop_path,
                     int32_t purpose) {
  float *product = branch != nullptr ? branch : y;
  linear(product, x, weight, bias, samples * rows_per_sample, in_dim, out_dim);
  residual<float>(y, r, product, gamma, rng, samples, rows_per_sample, out_dim, drop_path, purpose);
}
