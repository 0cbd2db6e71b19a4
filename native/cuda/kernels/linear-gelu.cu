// linear_gelu: gelu(x · weightᵀ + bias).
#include "cuda/typed-kernels.h"
#include "kernels.h"

using namespace data2vec::cuda;

// cuBLASLt offers GELU as an epilogue, but by its tanh approximation.
void linear_gelu(float *y, float *pre, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim,
                 int32_t out_dim) {
  float *product = pre != nullptr ? pre : y;
  linear(product, x, weight, bias, rows, in_dim, out_dim);
  gelu<float>(y, product, rows * out_dim);
}
