// tanhActivation: tanh x, and its gradient.
#include "cuda/elementwise.cuh"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

struct Tanh {
  __device__ float operator()(float x) const { return tanhf(x); }
};

// dy (1 - y²), as a product so that it doesn't cancel where y is near 1.
struct TanhGrad {
  __device__ float operator()(float dy, float y) const { return dy * ((1.0f - y) * (1.0f + y)); }
};

}  // namespace

template <typename T>
void tanh_activation(T* y, const T* x, int32_t count) {
  elementwise("tanh_activation", Tanh{}, y, count, x);
}
template decltype(tanh_activation<float>) tanh_activation<float>;

template <typename T>
void tanh_activation_grad(T* dx, const T* dy, const T* y, int32_t count) {
  elementwise("tanh_activation_grad", TanhGrad{}, dx, count, dy, y);
}
template decltype(tanh_activation_grad<float>) tanh_activation_grad<float>;

}  // namespace data2vec::cuda
