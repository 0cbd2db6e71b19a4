// y = x · weightᵀ + bias, and its gradients.
#include "cuda/gemm/gemm.h"
#include "cuda/kernels/elements.h"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

template <typename T>
void linear(T* y, const T* x, const float* weight, const float* bias, int32_t rows, int32_t in_dim, int32_t out_dim) {
  const char* op = "linear";
  Product p{op, rows, out_dim, in_dim, matrix(x, in_dim), matrix(operandOf<T>(op, weight), in_dim), matrix(y, out_dim)};
  p.in = p.out = elementOf<T>;
  p.bias = bias;
  if (bias != nullptr && p.out == Element::bf16) p.biasMirror = context().mirrorOf(bias);
  gemm(p);
}
DATA2VEC_FOR_EACH_TYPE(linear)

template <typename T>
void linear_grad_input(T* dx, const T* dy, const float* weight, int32_t rows, int32_t in_dim, int32_t out_dim) {
  const char* op = "linear_grad_input";
  Product p{op, rows, in_dim, out_dim, matrix(dy, out_dim), matrix(operandOf<T>(op, weight), in_dim), matrix(dx, in_dim)};
  p.in = p.out = elementOf<T>;
  p.bTransposed = true;
  gemm(p);
}
DATA2VEC_FOR_EACH_TYPE(linear_grad_input)

template <typename T>
void linear_grad_weight(float* d_weight, float* d_bias, const T* dy, const T* x, int32_t rows, int32_t in_dim, int32_t out_dim) {
  const char* op = "linear_grad_weight";
  Product p{op, out_dim, in_dim, rows, matrix(dy, out_dim), matrix(x, in_dim), matrix(d_weight, in_dim)};
  p.in = elementOf<T>;
  p.aTransposed = p.bTransposed = true;
  p.accumulate = true;
  gemm(p);
  if (d_bias != nullptr) addColumnSums(op, d_bias, dy, elementOf<T>, rows, out_dim);
}
DATA2VEC_FOR_EACH_TYPE(linear_grad_weight)

}  // namespace data2vec::cuda
