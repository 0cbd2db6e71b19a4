// averageLayer: adds one normalised teacher layer to the target.
#include "cuda/columns.cuh"
#include "cuda/typed-kernels.h"
#include "cuda/norm.cuh"

namespace data2vec::cuda {

namespace {

constexpr int32_t kNormalizeRows = 1, kNormalizeChannels = 2;

struct Average {
  float* target;
  int32_t tokens, dim, first;
  float scale, eps;
  int32_t accumulate;

  __device__ float before(size_t at) const { return accumulate != 0 ? target[at] : 0.0f; }
};

template <typename T>
struct AverageRow {
  Average to;
  const T* x;
  bool normalize;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * to.dim;
    float* target = to.target + at;
    if (row % to.tokens < to.first) {
      if (to.accumulate == 0) zeroRow(target, to.dim);
      return;
    }
    const RowStatistics statistics = normalize ? rowStatistics(x + at, to.dim, to.eps) : RowStatistics{0, 1};
    const float mean = statistics.mean, factor = to.scale * statistics.rstd;
    if (to.accumulate != 0) {
      mapRow(to.dim, [=](int32_t, float value, float before) { return fmaf(value - mean, factor, before); }, target, x + at, target);
    } else {
      mapRow(to.dim, [=](int32_t, float value) { return (value - mean) * factor; }, target, x + at);
    }
  }
};

// Gives all lanes of a block what its first kColumns threads hold in `value`. Holds two barriers.
__device__ inline float spreadOverLanes(float value) {
  SHARED(columns, float[kColumns]);
  if (threadIdx.x < kColumns) columns[threadIdx.x] = value;
  __syncthreads();
  const float spread = columns[threadIdx.x % kColumns];
  __syncthreads();
  return spread;
}

// A block takes kColumns channels of a sample; its means are taken about the first token in use.
template <typename T>
__global__ void averageChannelsKernel(Average to, const T* x) {
  const int32_t dim = to.dim, c = static_cast<int32_t>(blockIdx.x * kColumns + threadIdx.x % kColumns);
  const int32_t lane = static_cast<int32_t>(threadIdx.x) / kColumns;
  const bool inside = c < dim && to.first < to.tokens;
  const size_t start = static_cast<size_t>(blockIdx.y) * to.tokens * dim + c;
  const float count = static_cast<float>(to.tokens - to.first);
  const float shift = inside ? toFloat(x[start + static_cast<size_t>(to.first) * dim]) : 0.0f;
  float sums[1] = {}, squares[1] = {};
  if (inside) {
    for (int32_t t = to.first + lane; t < to.tokens; t += kColumnLanes) sums[0] += toFloat(x[start + static_cast<size_t>(t) * dim]) - shift;
  }
  addColumnLanes(sums);
  const float mean = shift + spreadOverLanes(sums[0]) / count;
  if (inside) {
    for (int32_t t = to.first + lane; t < to.tokens; t += kColumnLanes) {
      const float d = toFloat(x[start + static_cast<size_t>(t) * dim]) - mean;
      squares[0] = fmaf(d, d, squares[0]);
    }
  }
  addColumnLanes(squares);
  const float factor = to.scale / sqrtf(spreadOverLanes(squares[0]) / count + to.eps);
  if (c >= dim) return;
  for (int32_t t = lane; t < to.tokens; t += kColumnLanes) {
    const size_t at = start + static_cast<size_t>(t) * dim;
    if (t >= to.first) to.target[at] = fmaf(toFloat(x[at]) - mean, factor, to.before(at));
    else if (to.accumulate == 0) to.target[at] = 0;
  }
}

}  // namespace

template <typename T>
void average_layer(float* target, const T* x, int32_t batch, int32_t tokens, int32_t dim, int32_t first, int32_t normalization,
                   float scale, float eps, int32_t accumulate) {
  const Average to{target, tokens, dim, first, scale, eps, accumulate};
  if (normalization != kNormalizeChannels) {
    forRows("average_layer", batch * tokens, AverageRow<T>{to, x, normalization == kNormalizeRows});
    return;
  }
  if (batch == 0 || dim == 0) return;
  const dim3 grid(static_cast<unsigned>(piecesOf(dim, kColumns)), static_cast<unsigned>(batch));
  launch("average_layer", averageChannelsKernel<T>, grid, kThreads, 0, to, x);
}
DATA2VEC_FOR_EACH_TYPE(average_layer)

}  // namespace data2vec::cuda
