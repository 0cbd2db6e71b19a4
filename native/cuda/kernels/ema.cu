// ema: teacher = decay * teacher + (1 - decay) * student.
#include "cuda/elementwise.cuh"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

struct Follow {
  const float* decay;
  __device__ float operator()(float teacher, float student) const { return fmaf(1.0f - decay[0], student - teacher, teacher); }
};

}  // namespace

template <typename T>
void ema(float* teacher, const float* student, const float* decay, int32_t count) {
  elementwise("ema", Follow{decay}, teacher, count, static_cast<const float*>(teacher), student);
}
template decltype(ema<float>) ema<float>;

}  // namespace data2vec::cuda
