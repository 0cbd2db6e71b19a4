// What the kernels of attention share: its arguments, and where things lie.
#ifndef DATA2VEC_CUDA_KERNELS_ATTENTION_H
#define DATA2VEC_CUDA_KERNELS_ATTENTION_H

#include "cuda/bf16.h"
#include "cuda/gemm/gemm.h"
#include "cuda/philox.cuh"

namespace data2vec::cuda {

// The arguments of kernels.h that forward and backward have in common; T is the type of activations.
template <typename T>
struct AttentionShape {
  const T* qkv;          // [batch][tokens][3][heads][headDim]
  const float* bias;     // [heads][tokens][tokens], optional
  const int32_t* lengths;  // [batch], optional
  const uint32_t* rng;
  int32_t batch, tokens, heads, headDim;
  float dropout;
  int32_t purpose;
  float scale;  // 1 / sqrt(headDim)
  const float* slopes;       // of ALiBi [heads], optional
  const int32_t* positions;  // [batch][tokens], optional

  // Keys that take part.
  __device__ int32_t keys(int32_t b) const { return lengths == nullptr ? tokens : min(max(lengths[b], 0), tokens); }
  // ALiBi's slope of a head, where there is one.
  __device__ float slope(int32_t h) const { return slopes[h] < 0.0f ? 0.0f : slopes[h]; }
  // Where a token is, negative for one that is nowhere or beyond the last.
  __device__ int32_t position(int32_t b, int32_t token) const {
    if (token >= tokens) return -1;
    return positions == nullptr ? token : positions[static_cast<int64_t>(b) * tokens + token];
  }
  // Elements from one token to the next, in qkv and in out.
  __host__ __device__ int64_t qkvStep() const { return int64_t{3} * heads * headDim; }
  __host__ __device__ int64_t outStep() const { return static_cast<int64_t>(heads) * headDim; }
  // Where the query (part 0), key (1) or value (2) of the first token of a sample and head begins in qkv, and its row in out.
  __device__ int64_t qkvOf(int32_t b, int32_t h, int32_t part) const {
    return b * (tokens * qkvStep()) + (static_cast<int64_t>(part) * heads + h) * headDim;
  }
  __device__ int64_t outOf(int32_t b, int32_t h) const { return b * (tokens * outStep()) + static_cast<int64_t>(h) * headDim; }
  // The row of the bias of a query; with `heads` as its head, the size of the bias.
  __host__ __device__ int64_t biasOf(int32_t h, int32_t query) const { return (static_cast<int64_t>(h) * tokens + query) * tokens; }
  // The row of log_sum_exp, and of delta.
  __device__ int64_t statisticsOf(int32_t b, int32_t h) const { return (static_cast<int64_t>(b) * heads + h) * tokens; }
  // The block of four random numbers that holds those of key 0 of a query.
  __device__ uint32_t randomBlock(int32_t h, int32_t query) const {
    return static_cast<uint32_t>(h * tokens + query) * static_cast<uint32_t>((tokens + 3) / 4);
  }
};

// Of two positions.
__device__ inline float distance(int32_t a, int32_t b) { return a < 0 || b < 0 ? 0.0f : static_cast<float>(abs(a - b)); }

// The gradients beside the shape; delta [batch][heads][tokens] is d_out · out of each row.
template <typename T>
struct AttentionGradient {
  AttentionShape<T> shape;
  T* dQkv;
  float* dBias;
  const T *dOut, *out;
  const float* logSumExp;
  float* delta;
  float* dSlopes;
  float* slopeParts;  // [heads][batch][partsOfSlope]: sums over some queries and all keys of the gradients of scores times distances
  int32_t partsOfSlope;
};

// The most channels of a head that the kernels on tensor cores take.
constexpr int32_t kMostHeadDim = 128;
// The queries of one part of the gradient of a slope on tensor cores.
constexpr int32_t kQueriesOfSlopePart = 16;

// Forward; on tensor cores, or for any number of channels.
template <typename T>
void attentionTiled(const AttentionShape<T>& shape, T* out, float* logSumExp);
template <typename T>
void attentionSimple(const AttentionShape<T>& shape, T* out, float* logSumExp);

// Writes delta, which all gradients need.
template <typename T>
void attentionDelta(const AttentionGradient<T>& gradient);
// The parts of the gradient on tensor cores. That of the queries writes slopeParts, if slopes get a gradient.
template <typename T>
void attentionGradQuery(const AttentionGradient<T>& gradient);
template <typename T>
void attentionGradKeyValue(const AttentionGradient<T>& gradient);
// That of the bias needs some floats of scratch.
template <typename T>
size_t attentionGradBiasScratch(const AttentionShape<T>& shape);
template <typename T>
void attentionGradBias(const AttentionGradient<T>& gradient, float* scratch);
// All of it, and slopeParts, for any number of channels.
template <typename T>
void attentionGradSimple(const AttentionGradient<T>& gradient);
// Adds slopeParts up.
template <typename T>
void attentionGradSlopes(const AttentionGradient<T>& gradient);

}  // namespace data2vec::cuda

#endif
