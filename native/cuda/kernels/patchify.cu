// patchify: the pixels of each patch side by side, channel by channel.
#include "cuda/bf16.h"
#include "cuda/grid.h"
#include "cuda/typed-kernels.h"
#include "cuda/launch.h"

namespace data2vec::cuda {

namespace {

// Where element `e` of y comes from: y [batch, height / patch, width / patch, channels, patch, patch].
__host__ __device__ inline size_t pixelOf(size_t e, int32_t channels, int32_t height, int32_t width, int32_t patch) {
  const size_t v = e % patch, u = e / patch % patch;
  e /= static_cast<size_t>(patch) * patch;
  const size_t c = e % channels, j = e / channels % (width / patch);
  e /= static_cast<size_t>(channels) * (width / patch);
  const size_t i = e % (height / patch), b = e / (height / patch);
  return ((b * channels + c) * height + i * patch + u) * width + j * patch + v;
}

template <typename T>
__global__ void patchifyKernel(T* y, const float* image, size_t count, int32_t channels, int32_t height, int32_t width, int32_t patch) {
  const size_t e = threadNumber();
  if (e < count) y[e] = fromFloat<T>(image[pixelOf(e, channels, height, width, patch)]);
}

}  // namespace

template <typename T>
void patchify(T* y, const float* image, int32_t batch, int32_t channels, int32_t height, int32_t width, int32_t patch) {
  const size_t count = static_cast<size_t>(batch) * channels * height * width;
  const int32_t blocks = piecesOf(static_cast<int64_t>(count), kThreads);
  if (blocks > 0) launch("patchify", patchifyKernel<T>, blocks, kThreads, 0, y, image, count, channels, height, width, patch);
}
DATA2VEC_FOR_EACH_TYPE(patchify)

}  // namespace data2vec::cuda
