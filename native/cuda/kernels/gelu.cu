// gelu: x · Φ(x), and its gradient.
#include "cuda/elementwise.cuh"
#include "cuda/gelu.cuh"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

struct Gelu {
  __device__ float operator()(float x) const { return geluOf(x); }
};

struct GeluGrad {
  __device__ float operator()(float dy, float x) const { return dy * geluSlope(x); }
};

}  // namespace

template <typename T>
void gelu(T* y, const T* x, int32_t count) {
  elementwise("gelu", Gelu{}, y, count, x);
}
DATA2VEC_FOR_EACH_TYPE(gelu)

template <typename T>
void gelu_grad(T* dx, const T* dy, const T* x, int32_t count) {
  elementwise("gelu_grad", GeluGrad{}, dx, count, dy, x);
}
DATA2VEC_FOR_EACH_TYPE(gelu_grad)

}  // namespace data2vec::cuda
