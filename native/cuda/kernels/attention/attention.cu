// softmax(q kᵀ / sqrt(head_dim) + bias) v per sample and head, and its gradient: chooses among the kernels.
#include <cmath>

#include "cuda/kernels/attention/attention.h"
#include "cuda/kernels/elements.h"
#include "kernels.h"

using namespace data2vec::cuda;

namespace {

template <typename T>
AttentionShape<T> shapeOf(const float* qkv, const float* bias, const int32_t* lengths, const uint32_t* rng, int32_t batch, int32_t tokens,
                          int32_t heads, int32_t headDim, float dropout, int32_t purpose) {
  return {reinterpret_cast<const T*>(qkv), bias, lengths, rng, batch, tokens, heads, headDim, dropout, purpose,
          1.0f / std::sqrt(static_cast<float>(headDim))};
}

bool onTensorCores(int32_t headDim) { return headDim <= kMostHeadDim && !context().simple; }

template <typename T>
void forward(const AttentionShape<T>& shape, float* out, float* logSumExp) {
  T* rows = reinterpret_cast<T*>(out);
  if (onTensorCores(shape.headDim))
    attentionTiled(shape, rows, logSumExp);
  else
    attentionSimple(shape, rows, logSumExp);
}

template <typename T>
void backward(const AttentionShape<T>& shape, float* dQkv, float* dBias, const float* dOut, const float* out, const float* logSumExp) {
  const size_t rows = static_cast<size_t>(shape.batch) * static_cast<size_t>(shape.heads) * static_cast<size_t>(shape.tokens);
  const bool tiled = onTensorCores(shape.headDim);
  const size_t scratch = tiled && dBias != nullptr ? attentionGradBiasScratch(shape) : 0;
  auto* delta = static_cast<float*>(context().workspace((rows + scratch) * sizeof(float)));
  const AttentionGradient<T> gradient{
      shape, reinterpret_cast<T*>(dQkv), dBias, reinterpret_cast<const T*>(dOut), reinterpret_cast<const T*>(out), logSumExp, delta};
  attentionDelta(gradient);
  if (!tiled) return attentionGradSimple(gradient);
  attentionGradQuery(gradient);
  attentionGradKeyValue(gradient);
  if (dBias != nullptr) attentionGradBias(gradient, delta + rows);
}

}  // namespace

void attention(float *out, float *log_sum_exp, const float *qkv, const float *bias, const int32_t *lengths, const uint32_t *rng,
               int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout, int32_t purpose) {
  if (batch == 0 || tokens == 0 || heads == 0) return;
  if (activation() == Element::f32)
    forward(shapeOf<float>(qkv, bias, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose), out, log_sum_exp);
  else
    forward(shapeOf<bf16>(qkv, bias, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose), out, log_sum_exp);
}

void attention_grad(float *d_qkv, float *d_bias, const float *d_out, const float *out, const float *log_sum_exp, const float *qkv,
                    const float *bias, const int32_t *lengths, const uint32_t *rng, int32_t batch, int32_t tokens, int32_t heads,
                    int32_t head_dim, float dropout, int32_t purpose) {
  if (batch == 0 || tokens == 0 || heads == 0) return;
  const auto run = [&](const auto& shape) { backward(shape, d_qkv, d_bias, d_out, out, log_sum_exp); };
  if (activation() == Element::f32)
    run(shapeOf<float>(qkv, bias, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose));
  else
    run(shapeOf<bf16>(qkv, bias, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose));
}
