// linear_gelu: gelu(x · weightᵀ + bias).
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

// cuBLASLt offers GELU as an epilogue, but by its tanh approximation.
template <typename T>
void linear_gelu(T* y, T* pre, const T* x, const float* weight, const float* bias, int32_t rows, int32_t in_dim, int32_t out_dim) {
  T* product = pre != nullptr ? pre : y;
  linear<T>(product, x, weight, bias, rows, in_dim, out_dim);
  gelu<T>(y, product, rows * out_dim);
}
DATA2VEC_FOR_EACH_TYPE(linear_gelu)

}  // namespace data2vec::cuda
