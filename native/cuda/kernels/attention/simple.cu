// Attention and its gradient in their simplest right form, a warp for each query or key: the check and the fall-back of the tuned kernels.
#include "cuda/kernels/attention/attention.h"
#include "cuda/launch.h"

namespace data2vec::cuda {

namespace {

constexpr int kWarps = 4;
constexpr uint32_t kAll = 0xffffffffu;
// Lanes hold every 32nd channel of a row, up to so many at once.
constexpr int kHeld = 4;

__device__ __forceinline__ float sumOfLanes(float value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAll, value, lanes);
  return value;
}

template <typename T>
__device__ __forceinline__ float dot(const T* a, const T* b, int32_t count) {
  float sum = 0.0f;
  for (int32_t d = 0; d < count; ++d) sum += toFloat(a[d]) * toFloat(b[d]);
  return sum;
}

// The biased logit of one query and one key.
template <typename T>
__device__ __forceinline__ float logitOf(const AttentionShape<T>& s, int32_t b, int32_t h, int32_t query, int32_t key) {
  const float product = dot(s.qkv + s.qkvOf(b, h, 0) + query * s.qkvStep(), s.qkv + s.qkvOf(b, h, 1) + key * s.qkvStep(), s.headDim);
  const float bias = s.bias == nullptr ? 0.0f : s.bias[(static_cast<int64_t>(h) * s.tokens + query) * s.tokens + key];
  const float alibi = s.slopes == nullptr ? 0.0f : s.slope(h) * distance(s.position(b, query), s.position(b, key));
  return product * s.scale + bias - alibi;
}

// 0 or 1 / (1 - dropout).
template <typename T>
__device__ __forceinline__ float keepOf(const AttentionShape<T>& s, int32_t b, int32_t h, int32_t query, int32_t key) {
  if (s.dropout <= 0) return 1.0f;
  const uint32_t block = s.randomBlock(h, query) + static_cast<uint32_t>(key / 4);
  const RandomBits random = philox(s.rng, static_cast<uint32_t>(b), static_cast<uint32_t>(s.purpose), block);
  return random.v[key % 4] >= dropThreshold(s.dropout) ? 1.0f / (1.0f - s.dropout) : 0.0f;
}

// The row that a warp works on: a token of a head of a sample.
struct Row {
  int32_t b, h, token;
};
template <typename T>
__device__ __forceinline__ bool rowOfWarp(const AttentionShape<T>& s, Row& row) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  row.token = static_cast<int32_t>(index % s.tokens);
  const auto head = static_cast<int32_t>(index / s.tokens);
  row.h = head % s.heads;
  row.b = head / s.heads;
  return row.b < s.batch;
}

template <typename T>
__global__ void forwardKernel(AttentionShape<T> s, T* out, float* logSumExp) {
  Row row;
  if (!rowOfWarp(s, row)) return;
  const auto [b, h, query] = row;
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % 32, keys = s.keys(b);
  float largest = -INFINITY;
  for (int32_t key = lane; key < keys; key += 32) largest = fmaxf(largest, logitOf(s, b, h, query, key));
  for (int lanes = 16; lanes > 0; lanes /= 2) largest = fmaxf(largest, __shfl_xor_sync(kAll, largest, lanes));
  float total = 0.0f;
  for (int32_t key = lane; key < keys; key += 32) total += expf(logitOf(s, b, h, query, key) - largest);
  total = sumOfLanes(total);

  const T* values = s.qkv + s.qkvOf(b, h, 2);
  for (int32_t first = 0; first < s.headDim; first += 32 * kHeld) {
    float sums[kHeld] = {};
    for (int32_t block = 0; block < keys; block += 32) {
      const int32_t key = block + lane;
      const float own = key < keys ? expf(logitOf(s, b, h, query, key) - largest) * keepOf(s, b, h, query, key) : 0.0f;
      for (int32_t i = 0; i < min(32, keys - block); ++i) {
        const float weight = __shfl_sync(kAll, own, i);
        for (int t = 0; t < kHeld; ++t) {
          const int32_t d = first + t * 32 + lane;
          if (d < s.headDim) sums[t] += weight * toFloat(values[(block + i) * s.qkvStep() + d]);
        }
      }
    }
    for (int t = 0; t < kHeld; ++t) {
      const int32_t d = first + t * 32 + lane;
      if (d < s.headDim) out[s.outOf(b, h) + query * s.outStep() + d] = fromFloat<T>(keys > 0 ? sums[t] / total : 0.0f);
    }
  }
  if (lane == 0) logSumExp[s.statisticsOf(b, h) + query] = keys > 0 ? largest + logf(total) : -INFINITY;
}

template <typename T>
__global__ void deltaKernel(AttentionGradient<T> g) {
  const AttentionShape<T>& s = g.shape;
  Row row;
  if (!rowOfWarp(s, row)) return;
  const int64_t at = s.outOf(row.b, row.h) + row.token * s.outStep();
  float sum = 0.0f;
  for (int32_t d = static_cast<int32_t>(threadIdx.x) % 32; d < s.headDim; d += 32) sum += toFloat(g.dOut[at + d]) * toFloat(g.out[at + d]);
  sum = sumOfLanes(sum);
  if (threadIdx.x % 32 == 0) g.delta[s.statisticsOf(row.b, row.h) + row.token] = sum;
}

// What one query and key give to the gradients: the probability after dropout, and the gradient of the logit.
struct PairGradient {
  float kept, logit;
};
template <typename T>
__device__ __forceinline__ PairGradient pairGradient(const AttentionGradient<T>& g, int32_t b, int32_t h, int32_t query, int32_t key) {
  const AttentionShape<T>& s = g.shape;
  const int64_t statistics = s.statisticsOf(b, h) + query;
  const float probability = expf(logitOf(s, b, h, query, key) - g.logSumExp[statistics]), keep = keepOf(s, b, h, query, key);
  const float dKept = dot(g.dOut + s.outOf(b, h) + query * s.outStep(), s.qkv + s.qkvOf(b, h, 2) + key * s.qkvStep(), s.headDim);
  return {keep * probability, probability * (keep * dKept - g.delta[statistics])};
}

template <typename T>
__global__ void gradQueryKernel(AttentionGradient<T> g) {
  const AttentionShape<T>& s = g.shape;
  Row row;
  if (!rowOfWarp(s, row)) return;
  const auto [b, h, query] = row;
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % 32, keys = s.keys(b);
  for (int32_t first = 0; first < s.headDim; first += 32 * kHeld) {
    float sums[kHeld] = {};
    for (int32_t block = 0; block < keys; block += 32) {
      const int32_t key = block + lane;
      const float own = key < keys ? pairGradient(g, b, h, query, key).logit : 0.0f;
      for (int32_t i = 0; i < min(32, keys - block); ++i) {
        const float dLogit = __shfl_sync(kAll, own, i);
        for (int t = 0; t < kHeld; ++t) {
          const int32_t d = first + t * 32 + lane;
          if (d < s.headDim) sums[t] += dLogit * toFloat(s.qkv[s.qkvOf(b, h, 1) + (block + i) * s.qkvStep() + d]);
        }
      }
    }
    for (int t = 0; t < kHeld; ++t) {
      const int32_t d = first + t * 32 + lane;
      if (d < s.headDim) g.dQkv[s.qkvOf(b, h, 0) + query * s.qkvStep() + d] = fromFloat<T>(sums[t] * s.scale);
    }
  }
}

template <typename T>
__global__ void gradKeyValueKernel(AttentionGradient<T> g) {
  const AttentionShape<T>& s = g.shape;
  Row row;
  if (!rowOfWarp(s, row)) return;
  const auto [b, h, key] = row;
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % 32, queries = key < s.keys(b) ? s.tokens : 0;
  for (int32_t first = 0; first < s.headDim; first += 32 * kHeld) {
    float dKey[kHeld] = {}, dValue[kHeld] = {};
    for (int32_t block = 0; block < queries; block += 32) {
      const int32_t query = block + lane;
      const PairGradient own = query < queries ? pairGradient(g, b, h, query, key) : PairGradient{0.0f, 0.0f};
      for (int32_t i = 0; i < min(32, queries - block); ++i) {
        const float kept = __shfl_sync(kAll, own.kept, i), dLogit = __shfl_sync(kAll, own.logit, i);
        for (int t = 0; t < kHeld; ++t) {
          const int32_t d = first + t * 32 + lane;
          if (d >= s.headDim) continue;
          dKey[t] += dLogit * toFloat(s.qkv[s.qkvOf(b, h, 0) + (block + i) * s.qkvStep() + d]);
          dValue[t] += kept * toFloat(g.dOut[s.outOf(b, h) + (block + i) * s.outStep() + d]);
        }
      }
    }
    for (int t = 0; t < kHeld; ++t) {
      const int32_t d = first + t * 32 + lane;
      if (d >= s.headDim) continue;
      g.dQkv[s.qkvOf(b, h, 1) + key * s.qkvStep() + d] = fromFloat<T>(dKey[t] * s.scale);
      g.dQkv[s.qkvOf(b, h, 2) + key * s.qkvStep() + d] = fromFloat<T>(dValue[t]);
    }
  }
}

// A thread for each element of the bias, which sums over the batch in order.
template <typename T>
__global__ void gradBiasKernel(AttentionGradient<T> g) {
  const AttentionShape<T>& s = g.shape;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * (32 * kWarps) + threadIdx.x;
  const auto key = static_cast<int32_t>(index % s.tokens);
  const auto row = static_cast<int32_t>(index / s.tokens);
  const int32_t query = row % s.tokens, h = row / s.tokens;
  if (h >= s.heads) return;
  float sum = 0.0f;
  for (int32_t b = 0; b < s.batch; ++b) if (key < s.keys(b)) sum += pairGradient(g, b, h, query, key).logit;
  g.dBias[index] += sum;
}

template <typename T>
__global__ void slopePartsKernel(AttentionGradient<T> g) {
  const AttentionShape<T>& s = g.shape;
  Row row;
  if (!rowOfWarp(s, row)) return;
  const auto [b, h, query] = row;
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % 32, keys = s.keys(b), own = s.position(b, query);
  float sum = 0.0f;
  for (int32_t key = lane; key < keys; key += 32) sum += pairGradient(g, b, h, query, key).logit * distance(own, s.position(b, key));
  sum = sumOfLanes(sum);
  if (lane == 0) g.slopeParts[(static_cast<int64_t>(h) * s.batch + b) * g.partsOfSlope + query] = sum;
}

template <typename T>
unsigned blocksOfRows(const AttentionShape<T>& s) {
  return static_cast<unsigned>((static_cast<int64_t>(s.batch) * s.heads * s.tokens + kWarps - 1) / kWarps);
}

}  // namespace

template <typename T>
void attentionSimple(const AttentionShape<T>& s, T* out, float* logSumExp) {
  launch("attention", forwardKernel<T>, blocksOfRows(s), 32 * kWarps, 0, s, out, logSumExp);
}

template <typename T>
void attentionDelta(const AttentionGradient<T>& g) {
  launch("attention_grad", deltaKernel<T>, blocksOfRows(g.shape), 32 * kWarps, 0, g);
}

template <typename T>
void attentionGradSimple(const AttentionGradient<T>& g) {
  const AttentionShape<T>& s = g.shape;
  launch("attention_grad", gradQueryKernel<T>, blocksOfRows(s), 32 * kWarps, 0, g);
  launch("attention_grad", gradKeyValueKernel<T>, blocksOfRows(s), 32 * kWarps, 0, g);
  if (g.dSlopes != nullptr) launch("attention_grad", slopePartsKernel<T>, blocksOfRows(s), 32 * kWarps, 0, g);
  if (g.dBias == nullptr) return;
  const int64_t elements = static_cast<int64_t>(s.heads) * s.tokens * s.tokens;
  launch("attention_grad", gradBiasKernel<T>, static_cast<unsigned>((elements + 32 * kWarps - 1) / (32 * kWarps)), 32 * kWarps, 0, g);
}

#define DATA2VEC_INSTANTIATE(T)                                             \
  template void attentionSimple<T>(const AttentionShape<T>&, T*, float*); \
  template void attentionDelta<T>(const AttentionGradient<T>&);             \
  template void attentionGradSimple<T>(const AttentionGradient<T>&);
DATA2VEC_INSTANTIATE(float)
DATA2VEC_INSTANTIATE(bf16)

}  // namespace data2vec::cuda
