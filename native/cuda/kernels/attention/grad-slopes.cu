// The gradient of ALiBi's slopes: the sum of the parts that other kernels left, a block for each head.
#include "cuda/kernels/attention/attention.h"
#include "cuda/reduce.cuh"

namespace data2vec::cuda {

namespace {

// parts [heads][count]. A slope below 0 counts as 0 and gets no gradient.
__global__ void gradSlopesKernel(float* dSlopes, const float* slopes, const float* parts, int32_t count) {
  const auto h = static_cast<int32_t>(blockIdx.x);
  const float sum = sumOfPartials(parts + static_cast<int64_t>(h) * count, count);
  if (threadIdx.x == 0 && !(slopes[h] < 0.0f)) dSlopes[h] -= sum;
}

}  // namespace

template <typename T>
void attentionGradSlopes(const AttentionGradient<T>& g) {
  const AttentionShape<T>& s = g.shape;
  launch("attention_grad", gradSlopesKernel, static_cast<unsigned>(s.heads), kThreads, 0, g.dSlopes, s.slopes,
         static_cast<const float*>(g.slopeParts), s.batch * g.partsOfSlope);
}

template void attentionGradSlopes<float>(const AttentionGradient<float>&);
template void attentionGradSlopes<bf16>(const AttentionGradient<bf16>&);

}  // namespace data2vec::cuda
