// adamw: one step of AdamW over a flat range (Loshchilov and Hutter 2019, "Decoupled weight decay regularization").
#include "cuda/grid.h"
#include "cuda/typed-kernels.h"
#include "cuda/launch.h"
#include "cuda/pack.cuh"

namespace data2vec::cuda {

namespace {

struct AdamwArguments {
  float *parameter, *m, *v;
  const float *gradient, *gradScale, *scalars;
  int32_t count;
  float lrScale, weightDecay, beta1, beta2;
};

// What is the same for all elements of a call.
struct AdamwStep {
  float gradScale, beta1, beta2, decay, step, correction, epsilon;

  __device__ explicit AdamwStep(const AdamwArguments& a)
      : gradScale(a.gradScale[0]),
        beta1(a.beta1),
        beta2(a.beta2),
        decay(a.lrScale * a.scalars[0] * a.weightDecay),
        step(a.lrScale * a.scalars[1]),
        correction(a.scalars[2]),
        epsilon(a.scalars[3]) {}

  __device__ void operator()(float& parameter, float& m, float& v, float gradient) const {
    const float g = gradient * gradScale;
    m = fmaf(1.0f - beta1, g, beta1 * m);
    v = fmaf((1.0f - beta2) * g, g, beta2 * v);
    parameter -= fmaf(decay, parameter, step * m / fmaf(sqrtf(v), correction, epsilon));
  }
};

template <bool packed>
__global__ void adamwKernel(AdamwArguments a) {
  const AdamwStep step(a);
  if (isnan(step.gradScale)) return;
  const size_t i = threadNumber() * (packed ? 4 : 1), count = static_cast<size_t>(a.count);
  if (packed && i + 4 <= count) {
    Pack<float> parameter = loadPack(a.parameter + i), m = loadPack(a.m + i), v = loadPack(a.v + i);
    const Pack<float> gradient = loadPack(a.gradient + i);
#pragma unroll
    for (int j = 0; j < 4; ++j) step(parameter.v[j], m.v[j], v.v[j], gradient.v[j]);
    storePack(a.parameter + i, parameter);
    storePack(a.m + i, m);
    storePack(a.v + i, v);
    return;
  }
  for (size_t e = i; e < count && e < i + (packed ? 4 : 1); ++e) step(a.parameter[e], a.m[e], a.v[e], a.gradient[e]);
}

}  // namespace

template <typename T>
void adamw(float* parameter, float* m, float* v, const float* gradient, const float* grad_scale, const float* scalars, int32_t count,
           float lr_scale, float weight_decay, float beta1, float beta2) {
  if (count == 0) return;
  const AdamwArguments a{parameter, m, v, gradient, grad_scale, scalars, count, lr_scale, weight_decay, beta1, beta2};
  if (isAligned(parameter) && isAligned(m) && isAligned(v) && isAligned(gradient)) {
    launch("adamw", adamwKernel<true>, piecesOf(count, 4 * kThreads), kThreads, 0, a);
  } else {
    launch("adamw", adamwKernel<false>, piecesOf(count, kThreads), kThreads, 0, a);
  }
}
template decltype(adamw<float>) adamw<float>;

}  // namespace data2vec::cuda
