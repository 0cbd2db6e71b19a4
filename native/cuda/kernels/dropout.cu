// dropout: keep ? x / (1 - probability) : 0, which is its own backward.
#include "cuda/grid.h"
#include "cuda/typed-kernels.h"
#include "cuda/launch.h"
#include "cuda/pack.cuh"
#include "cuda/philox.cuh"

namespace data2vec::cuda {

namespace {

// A thread takes the four elements of a sample whose random bits are drawn at once.
template <bool packed, typename T>
__global__ void dropoutKernel(T* y, const T* x, const uint32_t* rng, int32_t samples, int32_t perSample, float probability, int32_t purpose) {
  const size_t groups = static_cast<size_t>(piecesOf(perSample, 4)), number = threadNumber();
  const size_t sample = number / groups, group = number % groups;
  if (sample >= static_cast<size_t>(samples)) return;
  const RandomBits bits = philox(rng, static_cast<uint32_t>(sample), static_cast<uint32_t>(purpose), static_cast<uint32_t>(group));
  const uint32_t threshold = dropThreshold(probability);
  const float scale = 1.0f / (1.0f - probability);
  const size_t at = sample * static_cast<size_t>(perSample) + 4 * group;
  const auto kept = [&](float value, int j) { return fromFloat<T>(bits.v[j] >= threshold ? value * scale : 0.0f); };
  if constexpr (packed) {
    Pack<T> pack = loadPack(x + at);
#pragma unroll
    for (int j = 0; j < 4; ++j) pack.v[j] = kept(toFloat(pack.v[j]), j);
    storePack(y + at, pack);
  } else {
    for (int j = 0; j < 4 && 4 * group + j < static_cast<size_t>(perSample); ++j) y[at + j] = kept(toFloat(x[at + j]), j);
  }
}

}  // namespace

template <typename T>
void dropout(T* y, const T* x, const uint32_t* rng, int32_t samples, int32_t per_sample, float probability, int32_t purpose) {
  const int32_t blocks = piecesOf(static_cast<int64_t>(samples) * piecesOf(per_sample, 4), kThreads);
  if (blocks == 0) return;
  const bool packed = per_sample % 4 == 0 && isAligned(x) && isAligned(y);
  launch("dropout", packed ? dropoutKernel<true, T> : dropoutKernel<false, T>, blocks, kThreads, 0, y, x, rng, samples, per_sample,
         probability, purpose);
}
DATA2VEC_FOR_EACH_TYPE(dropout)

}  // namespace data2vec::cuda
