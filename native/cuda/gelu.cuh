// The exact (erf) GELU of one number, and its slope.
#ifndef DATA2VEC_CUDA_GELU_CUH
#define DATA2VEC_CUDA_GELU_CUH

#include "cuda/launch.h"

namespace data2vec::cuda {

// Φ(x), from the side on which nothing cancels.
__device__ inline float normalDistribution(float x) { return 0.5f * erfcf(x * -0.70710678118654752f); }

// x · Φ(x); 0 where Φ is beyond float32, so that -infinity gives 0.
__device__ inline float geluOf(float x) { return x < -14.0f ? 0.0f : x * normalDistribution(x); }

// Φ(x) + x φ(x)
__device__ inline float geluSlope(float x) {
  if (x < -14.0f) return 0.0f;
  if (x > 14.0f) return 1.0f;
  return normalDistribution(x) + x * 0.3989422804014327f * expf(-0.5f * x * x);
}

}  // namespace data2vec::cuda

#endif
