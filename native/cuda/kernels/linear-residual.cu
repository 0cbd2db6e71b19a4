// linear_residual: r + keep / (1 - drop_path) * gamma * (x · weightᵀ + bias).
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

template <typename T>
void linear_residual(T* y, T* branch, const T* r, const T* x, const float* weight, const float* bias, const float* gamma,
                     const uint32_t* rng, int32_t samples, int32_t rows_per_sample, int32_t in_dim, int32_t out_dim, float drop_path,
                     int32_t purpose) {
  T* product = branch != nullptr ? branch : y;
  linear<T>(product, x, weight, bias, samples * rows_per_sample, in_dim, out_dim);
  residual<T>(y, r, product, gamma, rng, samples, rows_per_sample, out_dim, drop_path, purpose);
}
DATA2VEC_FOR_EACH_TYPE(linear_residual)

}  // namespace data2vec::cuda
