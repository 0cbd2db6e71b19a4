// y[i] = value
#include "cuda/bf16.h"
#include "cuda/launch.h"
#include "kernels.h"

namespace data2vec::cuda {

namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void fillKernel(T* y, int32_t count, float value) {
  const int32_t i = static_cast<int32_t>(blockIdx.x * kThreads + threadIdx.x);
  if (i < count) y[i] = fromFloat<T>(value);
}

}  // namespace

}  // namespace data2vec::cuda

void fill(float* y, int32_t count, float value) {
  using namespace data2vec::cuda;
  if (count > 0) launch("fill", fillKernel<float>, (count + kThreads - 1) / kThreads, kThreads, 0, y, count, value);
}
