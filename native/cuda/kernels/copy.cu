// y[i] = x[i]
#include "cuda/launch.h"
#include "kernels.h"

void copy(float* y, const float* x, int32_t count) {
  using namespace data2vec::cuda;
  if (count > 0) check(cudaMemcpyAsync(y, x, sizeof(float) * static_cast<size_t>(count), cudaMemcpyDeviceToDevice, context().stream), "copy");
}
