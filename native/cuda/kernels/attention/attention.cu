// softmax(q kᵀ / sqrt(head_dim) + biases) v per sample and head, and its gradient: chooses among the kernels.
#include <cmath>

#include "cuda/kernels/attention/attention.h"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

bool onTensorCores(int32_t headDim) { return headDim <= kMostHeadDim && !context().simple; }

float scaleOf(int32_t headDim) { return 1.0f / std::sqrt(static_cast<float>(headDim)); }

}  // namespace

template <typename T>
void attention(T* out, float* log_sum_exp, const T* qkv, const float* bias, const float* slopes, const int32_t* positions,
               const int32_t* lengths, const uint32_t* rng, int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout,
               int32_t purpose) {
  if (batch == 0 || tokens == 0 || heads == 0) return;
  const AttentionShape<T> shape{qkv, bias, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose, scaleOf(head_dim), slopes, positions};
  if (onTensorCores(head_dim))
    attentionTiled(shape, out, log_sum_exp);
  else
    attentionSimple(shape, out, log_sum_exp);
}
DATA2VEC_FOR_EACH_TYPE(attention)

template <typename T>
void attention_grad(T* d_qkv, float* d_bias, float* d_slopes, const T* d_out, const T* out, const float* log_sum_exp, const T* qkv,
                    const float* bias, const float* slopes, const int32_t* positions, const int32_t* lengths, const uint32_t* rng,
                    int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout, int32_t purpose) {
  if (batch == 0 || tokens == 0 || heads == 0) return;
  const AttentionShape<T> shape{qkv, bias, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose, scaleOf(head_dim), slopes, positions};
  const size_t rows = static_cast<size_t>(batch) * static_cast<size_t>(heads) * static_cast<size_t>(tokens);
  const bool tiled = onTensorCores(head_dim);
  const int32_t partsOfSlope = tiled ? (tokens + kQueriesOfSlopePart - 1) / kQueriesOfSlopePart : tokens;
  const size_t slopeParts = d_slopes == nullptr ? 0 : rows / static_cast<size_t>(tokens) * static_cast<size_t>(partsOfSlope);
  const size_t biasScratch = tiled && d_bias != nullptr ? attentionGradBiasScratch(shape) : 0;
  auto* delta = static_cast<float*>(context().workspace((rows + slopeParts + biasScratch) * sizeof(float)));
  const AttentionGradient<T> gradient{shape, d_qkv, d_bias, d_out, out, log_sum_exp, delta, d_slopes, delta + rows, partsOfSlope};
  attentionDelta(gradient);
  if (tiled) {
    attentionGradQuery(gradient);
    attentionGradKeyValue(gradient);
    if (d_bias != nullptr) attentionGradBias(gradient, delta + rows + slopeParts);
  } else {
    attentionGradSimple(gradient);
  }
  if (d_slopes != nullptr) attentionGradSlopes(gradient);
}
DATA2VEC_FOR_EACH_TYPE(attention_grad)

}  // namespace data2vec::cuda
