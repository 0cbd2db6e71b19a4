// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), numbered as include/kernels.h says.
#ifndef DATA2VEC_CUDA_PHILOX_CUH
#define DATA2VEC_CUDA_PHILOX_CUH

#include <cstdint>

#include "cuda/context.h"

namespace data2vec::cuda {

struct RandomBits {
  uint32_t v[4];
};

// The random bits of elements 4 * block .. 4 * block + 3 of a sample.
__device__ inline RandomBits philox(const uint32_t* rng, uint32_t sample, uint32_t purpose, uint32_t block) {
  uint32_t a = block, b = sample + rng[3], c = rng[2], d = purpose, k0 = rng[0], k1 = rng[1];
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t pHigh = __umulhi(0xd2511f53u, a), pLow = 0xd2511f53u * a;
    const uint32_t qHigh = __umulhi(0xcd9e8d57u, c), qLow = 0xcd9e8d57u * c;
    a = qHigh ^ b ^ k0;
    b = qLow;
    c = pHigh ^ d ^ k1;
    d = pLow;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{a, b, c, d}};
}

// An element is kept when its bits are at least this.
__host__ __device__ inline uint32_t dropThreshold(float probability) {
  const float scaled = probability * 4294967296.0f;
  return scaled >= 4294967296.0f ? 0xffffffffu : static_cast<uint32_t>(scaled);
}

// Whether element 0 of the sample is kept.
__device__ inline bool keepsSample(const uint32_t* rng, int32_t sample, float probability, int32_t purpose) {
  if (probability <= 0) return true;
  return philox(rng, static_cast<uint32_t>(sample), static_cast<uint32_t>(purpose), 0).v[0] >= dropThreshold(probability);
}

// 1 / (1 - probability) when element 0 of the sample is kept, else 0: drop path.
__device__ inline float sampleKeep(const uint32_t* rng, int32_t sample, float probability, int32_t purpose) {
  if (probability <= 0) return 1.0f;
  return keepsSample(rng, sample, probability, purpose) ? 1.0f / (1.0f - probability) : 0.0f;
}

}  // namespace data2vec::cuda

#endif
