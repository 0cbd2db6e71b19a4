// crossEntropy: of soft targets with the softmax of logits, with its gradient and the number of rows predicted right.
#include "cuda/bf16.h"
#include "cuda/typed-kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"

namespace data2vec::cuda {

namespace {

// An element of a row and where it is.
struct Place {
  float value;
  int32_t at;
};

// The first largest element of a row, by the lanes of a warp; NaN is never larger.
template <typename T>
__device__ inline Place firstLargest(const T* x, int32_t count) {
  Place best{toFloat(x[0]), 0};
  for (int32_t c = laneId(); c < count; c += 32) {
    const float value = toFloat(x[c]);
    if (value > best.value) best = {value, c};
  }
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    const Place other{__shfl_xor_sync(kAllLanes, best.value, lanes), __shfl_xor_sync(kAllLanes, best.at, lanes)};
    if (other.value > best.value || (other.value == best.value && other.at < best.at)) best = other;
  }
  return best;
}

template <typename T>
struct CrossEntropyRow {
  T* dLogits;
  const T* logits;
  const float *targets, *normalizer;
  double* losses;
  int32_t* correct;
  int32_t classes;

  __device__ void operator()(int32_t row) const {
    const size_t at = static_cast<size_t>(row) * classes;
    const T* x = logits + at;
    const float* target = targets + at;
    const Place best = firstLargest(x, classes), wanted = firstLargest(target, classes);
    // Sums of exp(x - largest), target and target * (x - largest).
    float exponentials = 0, mass = 0, product = 0;
    for (int32_t c = laneId(); c < classes; c += 32) {
      const float d = toFloat(x[c]) - best.value, t = target[c];
      exponentials += expf(d);
      mass += t;
      // A class that isn't wanted counts for nothing even where its logit is -infinity.
      if (t != 0) product = fmaf(t, d, product);
    }
    exponentials = warpSum(exponentials);
    mass = warpSum(mass);
    product = warpSum(product);
    const float logSum = logf(exponentials), shift = best.value + logSum, divisor = normalizer[0];
    if (laneId() == 0) {
      losses[row] = static_cast<double>(mass) * logSum - product;
      correct[row] = best.at == wanted.at && wanted.value > 0 ? 1 : 0;
    }
    mapRow(
        classes, [=](int32_t, float logit, float t) { return (mass * expf(logit - shift) - t) / divisor; }, dLogits + at, x, target);
  }
};

__global__ void crossEntropyStatsKernel(float* stats, const double* losses, const int32_t* correct, const float* normalizer, int32_t rows) {
  const double loss = sumOfPartials(losses, rows);
  const int32_t right = sumOfPartials(correct, rows);
  if (threadIdx.x != 0) return;
  stats[0] = static_cast<float>(loss / normalizer[0]);
  stats[1] = static_cast<float>(right);
}

}  // namespace

template <typename T>
void cross_entropy(float* stats, T* d_logits, const T* logits, const float* targets, const float* normalizer, int32_t rows,
                   int32_t classes) {
  double* losses = workspace<double>(2 * static_cast<size_t>(rows));
  auto* correct = reinterpret_cast<int32_t*>(losses + rows);
  forRows("cross_entropy", rows, CrossEntropyRow<T>{d_logits, logits, targets, normalizer, losses, correct, classes});
  launch("cross_entropy", crossEntropyStatsKernel, 1, kThreads, 0, stats, losses, correct, normalizer, rows);
}
DATA2VEC_FOR_EACH_TYPE(cross_entropy)

}  // namespace data2vec::cuda
