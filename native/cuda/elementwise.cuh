// Kernels that compute each element from the elements at the same place.
#ifndef DATA2VEC_CUDA_ELEMENTWISE_CUH
#define DATA2VEC_CUDA_ELEMENTWISE_CUH

#include "cuda/grid.h"
#include "cuda/launch.h"
#include "cuda/pack.cuh"

namespace data2vec::cuda {

// y[i] = f(x[i]...), four at a time where all pointers allow it (`packed`). y may be one of the x.
template <bool packed, typename F, typename T, typename... In>
__global__ void elementwiseKernel(T* y, int32_t count, F f, const In*... x) {
  const size_t i = threadNumber() * (packed ? 4 : 1);
  if (packed && i + 4 <= static_cast<size_t>(count)) {
    const auto all = [&](const auto&... packs) {
      Pack<T> result;
#pragma unroll
      for (int j = 0; j < 4; ++j) result.v[j] = fromFloat<T>(f(toFloat(packs.v[j])...));
      storePack(y + i, result);
    };
    all(loadPack(x + i)...);
    return;
  }
  for (size_t e = i; e < static_cast<size_t>(count) && e < i + (packed ? 4 : 1); ++e) y[e] = fromFloat<T>(f(toFloat(x[e])...));
}

template <typename F, typename T, typename... In>
void elementwise(const char* op, F f, T* y, int32_t count, const In*... x) {
  if (count == 0) return;
  if (isAligned(y) && (isAligned(x) && ...)) {
    launch(op, elementwiseKernel<true, F, T, In...>, piecesOf(count, 4 * kThreads), kThreads, 0, y, count, f, x...);
  } else {
    launch(op, elementwiseKernel<false, F, T, In...>, piecesOf(count, kThreads), kThreads, 0, y, count, f, x...);
  }
}

}  // namespace data2vec::cuda

#endif
