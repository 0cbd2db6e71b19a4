// binaryCrossEntropy: of targets in [0, 1] with the sigmoid of logits, with its gradient.
#include "cuda/bf16.h"
#include "cuda/typed-kernels.h"
#include "cuda/reduce.cuh"

namespace data2vec::cuda {

namespace {

// Elements of a block.
constexpr int32_t kBlockElements = 8 * kThreads;

template <typename T>
__global__ void binaryCrossEntropyKernel(double* losses, T* dLogits, const T* logits, const float* targets, const float* normalizer,
                                         int32_t count) {
  const int32_t start = static_cast<int32_t>(blockIdx.x) * kBlockElements, end = count - start < kBlockElements ? count : start + kBlockElements;
  const float divisor = normalizer[0];
  double loss = 0;
  for (int32_t i = start + static_cast<int32_t>(threadIdx.x); i < end; i += kThreads) {
    // With e = exp(-|z|): loss = max(z, 0) - z t + ln(1 + e), sigmoid(|z|) = 1 / (1 + e).
    const float z = toFloat(logits[i]), target = targets[i], e = expf(z < 0 ? z : -z), positive = 1.0f / (1.0f + e);
    loss += static_cast<double>(z > 0 ? z : 0.0f) - static_cast<double>(z) * target + log1pf(e);
    dLogits[i] = fromFloat<T>(((z < 0 ? e * positive : positive) - target) / divisor);
  }
  const double total = blockSum(loss);
  if (threadIdx.x == 0) losses[blockIdx.x] = total;
}

__global__ void meanLossKernel(float* stats, const double* losses, int32_t count, const float* normalizer) {
  const double loss = sumOfPartials(losses, count);
  if (threadIdx.x == 0) stats[0] = static_cast<float>(loss / normalizer[0]);
}

}  // namespace

template <typename T>
void binary_cross_entropy(float* stats, T* d_logits, const T* logits, const float* targets, const float* normalizer, int32_t count) {
  const char* op = "binary_cross_entropy";
  const int32_t blocks = piecesOf(count, kBlockElements);
  double* losses = workspace<double>(static_cast<size_t>(blocks));
  if (blocks > 0) launch(op, binaryCrossEntropyKernel<T>, blocks, kThreads, 0, losses, d_logits, logits, targets, normalizer, count);
  launch(op, meanLossKernel, 1, kThreads, 0, stats, losses, blocks, normalizer);
}
DATA2VEC_FOR_EACH_TYPE(binary_cross_entropy)

}  // namespace data2vec::cuda
