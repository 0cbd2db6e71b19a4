// squaredNorm: the sum of squares of a flat range.
#include "cuda/typed-kernels.h"
#include "cuda/pack.cuh"
#include "cuda/reduce.cuh"

namespace data2vec::cuda {

namespace {

// Elements of a block: each thread sums a few of them in float32 before the sum goes on in double.
constexpr int kBlockElements = 32 * kThreads;

template <bool packed, typename T>
__global__ void squaresKernel(double* partials, const T* x, int32_t count) {
  const int32_t start = static_cast<int32_t>(blockIdx.x) * kBlockElements, end = count - start < kBlockElements ? count : start + kBlockElements;
  float sum = 0;
  const auto square = [&sum](T value) { sum = fmaf(toFloat(value), toFloat(value), sum); };
  if (packed) {
    for (int32_t i = start + 4 * static_cast<int32_t>(threadIdx.x); i < end; i += 4 * kThreads) {
      if (end - i >= 4) {
        const Pack<T> pack = loadPack(x + i);
#pragma unroll
        for (int j = 0; j < 4; ++j) square(pack.v[j]);
      } else {
        for (int32_t e = i; e < end; ++e) square(x[e]);
      }
    }
  } else {
    for (int32_t i = start + static_cast<int32_t>(threadIdx.x); i < end; i += kThreads) square(x[i]);
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
void squared_norm(float* y, const T* x, int32_t count) {
  const int32_t blocks = piecesOf(count, kBlockElements);
  double* partials = workspace<double>(static_cast<size_t>(blocks));
  if (blocks > 0) launch("squared_norm", isAligned(x) ? squaresKernel<true, T> : squaresKernel<false, T>, blocks, kThreads, 0, partials, x, count);
  launch("squared_norm", sumSquaresKernel, 1, kThreads, 0, y, partials, blocks);
}
DATA2VEC_FOR_EACH_TYPE(squared_norm)

}  // namespace data2vec::cuda
