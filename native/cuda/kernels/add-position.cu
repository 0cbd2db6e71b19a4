// addPosition: adds one embedding per position to every sample, and the gradient of the embedding.
#include "cuda/typed-kernels.h"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct AddPosition {
  T* y;
  const T* x;
  const float* position;
  int32_t tokens, dim;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * dim;
    mapRow(dim, [](int32_t, float x, float p) { return x + p; }, y + at, x + at, position + static_cast<size_t>(row % tokens) * dim);
  }
};

// A thread adds the samples of one element, in order.
template <typename T>
__global__ void addPositionGradKernel(float* dPosition, const T* dy, int32_t batch, size_t perSample) {
  const size_t e = threadNumber();
  if (e >= perSample) return;
  float sum = dPosition[e];
  for (int32_t b = 0; b < batch; ++b) sum += toFloat(dy[static_cast<size_t>(b) * perSample + e]);
  dPosition[e] = sum;
}

}  // namespace

template <typename T>
void add_position(T* y, const T* x, const float* position, int32_t batch, int32_t tokens, int32_t dim) {
  forRows("add_position", batch * tokens, AddPosition<T>{y, x, position, tokens, dim});
}
DATA2VEC_FOR_EACH_TYPE(add_position)

template <typename T>
void add_position_grad(float* d_position, const T* dy, int32_t batch, int32_t tokens, int32_t dim) {
  const size_t perSample = static_cast<size_t>(tokens) * dim;
  const int32_t blocks = piecesOf(static_cast<int64_t>(perSample), kThreads);
  if (blocks > 0) launch("add_position_grad", addPositionGradKernel<T>, blocks, kThreads, 0, d_position, dy, batch, perSample);
}
DATA2VEC_FOR_EACH_TYPE(add_position_grad)

}  // namespace data2vec::cuda
