// tanhActivation: tanh x, and its gradient.
#include "cuda/elementwise.cuh"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

// Within 2 ulp: x + x³ p(x²) below 5/8, where 1 - e^(-2|x|) would cancel, and (1 - e) / (1 + e) with e = e^(-2|x|) beyond.
struct Tanh {
  __device__ float operator()(float x) const {
    const float magnitude = fabsf(x), u = x * x;
    if (magnitude < 0.625f) {
      const float p = fmaf(fmaf(fmaf(fmaf(-0.0065751997754f, u, 0.02135816589f), u, -0.05393182114f), u, 0.13333295286f), u, -0.33333334327f);
      return fmaf(x * u, p, x);
    }
    const float e = expf(-2.0f * magnitude);
    return copysignf((1.0f - e) / (1.0f + e), x);
  }
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
DATA2VEC_FOR_EACH_TYPE(tanh_activation)

template <typename T>
void tanh_activation_grad(T* dx, const T* dy, const T* y, int32_t count) {
  elementwise("tanh_activation_grad", TanhGrad{}, dx, count, dy, y);
}
DATA2VEC_FOR_EACH_TYPE(tanh_activation_grad)

}  // namespace data2vec::cuda
