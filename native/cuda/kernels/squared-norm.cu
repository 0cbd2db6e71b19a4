// squaredNorm: the sum of squares of a flat range.
#include "cuda/typed-kernels.h"
#include "cuda/pack.cuh"
#include "cuda/reduce.cuh"

namespace data2vec::cuda {

namespace {

// Elements of a block: each thread sums a few of them in float32 before the sum goes on in double.
constexpr int kBlockElements = 32 * kThreads;

template <bool packed>
__global__ void squaresKernel(double* partials, const float* x, int32_t count) {
  const int32_t start = static_cast<int32_t>(blockIdx.x) * kBlockElements, end = count - start < kBlockElements ? count : start + kBlockElements;
  float sum = 0;
  if (packed) {
    for (int32_t i = start + 4 * static_cast<int32_t>(threadIdx.x); i < end; i += 4 * kThreads) {
      if (end - i >= 4) {
        const Pack<float> pack = loadPack(x + i);
#pragma unroll
        for (int j = 0; j < 4; ++j) sum = fmaf(pack.v[j], pack.v[j], sum);
      } else {
        for (int32_t e = i; e < end; ++e) sum = fmaf(x[e], x[e], sum);
      }
    }
  } else {
    for (int32_t i = start + static_cast<int32_t>(threadIdx.x); i < end; i += kThreads) sum = fmaf(x[i], x[i], sum);
  }
  const double total = blockSum(static_cast<double>(sum));
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

__global__ void sumSquaresKernel(float* y, const double* partials, int32_t count) {
  const double sum = sumOfPartials(partials, count);
  if (threadIdx.x == 0) y[0] = static_cast<float>(sum);
}

}  // namespace

template <typename T>
void squared_norm(float* y, const float* x, int32_t count) {
  const int32_t blocks = piecesOf(count, kBlockElements);
  double* partials = workspace<double>(static_cast<size_t>(blocks));
  if (blocks > 0) launch("squared_norm", isAligned(x) ? squaresKernel<true> : squaresKernel<false>, blocks, kThreads, 0, partials, x, count);
  launch("squared_norm", sumSquaresKernel, 1, kThreads, 0, y, partials, blocks);
}
template decltype(squared_norm<float>) squared_norm<float>;

}  // namespace data2vec::cuda
