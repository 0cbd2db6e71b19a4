// adamw: one step of AdamW over a flat range (Loshchilov and Hutter 2019, "Decoupled weight decay regularization").
#include "cuda/grid.h"
#include "cuda/launch.h"
#include "cuda/pack.cuh"
#include "kernels.h"

using namespace data2vec::cuda;

namespace {

struct AdamwArguments {
  float *parameter, *m, *v;
  const float *gradient, *gradScale, *scalars;
  int32_t count;
  float lrScale, weightDecay, beta1, beta2;
  bf16* mirror;  // of the parameter; optional
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
    if (a.mirror != nullptr) storePack(a.mirror + i, rounded(parameter));
    return;
  }
  for (size_t e = i; e < count && e < i + (packed ? 4 : 1); ++e) {
    step(a.parameter[e], a.m[e], a.v[e], a.gradient[e]);
    if (a.mirror != nullptr) a.mirror[e] = fromFloat<bf16>(a.parameter[e]);
  }
}

}  // namespace

void adamw(float* parameter, float* m, float* v, const float* gradient, const float* grad_scale, const float* scalars, int32_t count,
           float lr_scale, float weight_decay, float beta1, float beta2) {
  if (count == 0) return;
  auto* mirror = static_cast<bf16*>(context().mirrorOf(parameter));
  const AdamwArguments a{parameter, m, v, gradient, grad_scale, scalars, count, lr_scale, weight_decay, beta1, beta2, mirror};
  if (isAligned(parameter) && isAligned(m) && isAligned(v) && isAligned(gradient) && isAligned(mirror)) {
    launch("adamw", adamwKernel<true>, piecesOf(count, 4 * kThreads), kThreads, 0, a);
  } else {
    launch("adamw", adamwKernel<false>, piecesOf(count, kThreads), kThreads, 0, a);
  }
}
