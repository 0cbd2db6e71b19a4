// y = x · weightᵀ + bias, and its gradients.
#include "cuda/gemm/gemm.h"
#include "cuda/kernels/elements.h"
#include "kernels.h"

using namespace data2vec::cuda;

void linear(float *y, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim, int32_t out_dim) {
  Product p{"linear", rows, out_dim, in_dim, matrix(x, in_dim), matrix(operandOf(weight), in_dim), matrix(y, out_dim)};
  p.in = p.out = activation();
  p.bias = bias;
  if (bias != nullptr) p.biasMirror = operandOf(bias);
  gemm(p);
}

void linear_grad_input(float *dx, const float *dy, const float *weight, int32_t rows, int32_t in_dim, int32_t out_dim) {
  Product p{"linear_grad_input", rows, in_dim, out_dim, matrix(dy, out_dim), matrix(operandOf(weight), in_dim), matrix(dx, in_dim)};
  p.in = p.out = activation();
  p.bTransposed = true;
  gemm(p);
}

void linear_grad_weight(float *d_weight, float *d_bias, const float *dy, const float *x, int32_t rows, int32_t in_dim, int32_t out_dim) {
  Product p{"linear_grad_weight", out_dim, in_dim, rows, matrix(dy, out_dim), matrix(x, in_dim), matrix(d_weight, in_dim)};
  p.in = activation();
  p.aTransposed = p.bTransposed = true;
  p.accumulate = true;
  gemm(p);
  if (d_bias != nullptr) addColumnSums("linear_grad_weight", d_bias, dy, activation(), rows, out_dim);
}
