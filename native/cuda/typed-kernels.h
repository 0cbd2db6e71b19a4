// The host side of the CUDA kernels that work on activations: include/kernels.h with these of a type of their own, T: float or bf16. Parameters,
// targets, statistics and losses are float32 in either case; kernels that know nothing else are as in include/kernels.h itself.
#ifndef DATA2VEC_CUDA_TYPED_KERNELS_H
#define DATA2VEC_CUDA_TYPED_KERNELS_H

#include <cstdint>

#include "cuda/bf16.h"

// Compiles a kernel's host function for both types of activations.
#define DATA2VEC_FOR_EACH_TYPE(name)          \
  template decltype(name<float>) name<float>; \
  template decltype(name<bf16>) name<bf16>;

namespace data2vec::cuda {

template <typename T>
void fill(T* y, int32_t count, float value);
template <typename T>
void copy(T* y, const T* x, int32_t count);
template <typename T>
void add(T* y, const T* a, const T* b, int32_t count);
template <typename T>
void dropout(T* y, const T* x, const uint32_t* rng, int32_t samples, int32_t per_sample, float probability, int32_t purpose);
template <typename T>
void residual(T* y, const T* r, const T* x, const float* gamma, const uint32_t* rng, int32_t samples, int32_t rows_per_sample,
              int32_t dim, float drop_path, int32_t purpose);
template <typename T>
void residual_grad(T* dx, float* d_gamma, const T* dy, const T* x, const float* gamma, const uint32_t* rng, int32_t samples,
                   int32_t rows_per_sample, int32_t dim, float drop_path, int32_t purpose);
template <typename T>
void linear(T* y, const T* x, const float* weight, const float* bias, int32_t rows, int32_t in_dim, int32_t out_dim);
template <typename T>
void linear_grad_input(T* dx, const T* dy, const float* weight, int32_t rows, int32_t in_dim, int32_t out_dim);
template <typename T>
void linear_grad_weight(float* d_weight, float* d_bias, const T* dy, const T* x, int32_t rows, int32_t in_dim, int32_t out_dim);
template <typename T>
void linear_gelu(T* y, T* pre, const T* x, const float* weight, const float* bias, int32_t rows, int32_t in_dim, int32_t out_dim);
template <typename T>
void linear_residual(T* y, T* branch, const T* r, const T* x, const float* weight, const float* bias, const float* gamma,
                     const uint32_t* rng, int32_t samples, int32_t rows_per_sample, int32_t in_dim, int32_t out_dim, float drop_path,
                     int32_t purpose);
template <typename T>
void gelu(T* y, const T* x, int32_t count);
template <typename T>
void gelu_grad(T* dx, const T* dy, const T* x, int32_t count);
template <typename T>
void layer_norm(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int32_t rows, int32_t dim, float eps);
template <typename T>
void layer_norm_grad(T* dx, float* d_weight, float* d_bias, const T* dy, const T* x, const float* weight, const float* mean,
                     const float* rstd, int32_t rows, int32_t dim);
template <typename T>
void conv1d(T* y, const T* x, const float* weight, const float* bias, int32_t batch, int32_t in_time, int32_t in_channels,
            int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups);
template <typename T>
void conv1d_grad_input(T* dx, const T* dy, const float* weight, int32_t batch, int32_t in_time, int32_t in_channels, int32_t out_channels,
                       int32_t kernel, int32_t stride, int32_t padding, int32_t groups);
template <typename T>
void conv1d_grad_weight(float* d_weight, float* d_bias, const T* dy, const T* x, int32_t batch, int32_t in_time, int32_t in_channels,
                        int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups);
template <typename T>
void layer_norm_gelu(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int32_t rows, int32_t dim,
                     float eps);
template <typename T>
void layer_norm_gelu_grad(T* dx, float* d_weight, float* d_bias, const T* dy, const T* x, const float* weight, const float* bias,
                          const float* mean, const float* rstd, int32_t rows, int32_t dim);
template <typename T>
void attention(T* out, float* log_sum_exp, const T* qkv, const float* bias, const float* slopes, const int32_t* positions,
               const int32_t* lengths, const uint32_t* rng, int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout,
               int32_t purpose);
template <typename T>
void attention_grad(T* d_qkv, float* d_bias, float* d_slopes, const T* d_out, const T* out, const float* log_sum_exp, const T* qkv,
                    const float* bias, const float* slopes, const int32_t* positions, const int32_t* lengths, const uint32_t* rng,
                    int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout, int32_t purpose);
template <typename T>
void mask_rows(T* y, const T* x, const float* token, const int32_t* mask, int32_t rows, int32_t dim);
template <typename T>
void mask_rows_grad(T* dx, float* d_token, const T* dy, const int32_t* mask, int32_t rows, int32_t dim);
template <typename T>
void gather_rows(T* y, const T* x, const int32_t* index, int32_t count, int32_t dim);
template <typename T>
void gather_rows_grad(T* dx, const T* dy, const int32_t* index, int32_t count, int32_t x_rows, int32_t dim);
template <typename T>
void prepend_token(T* y, const T* x, const float* token, int32_t batch, int32_t tokens, int32_t dim);
template <typename T>
void prepend_token_grad(T* dx, float* d_token, const T* dy, int32_t batch, int32_t tokens, int32_t dim);
template <typename T>
void add_position(T* y, const T* x, const float* position, int32_t batch, int32_t tokens, int32_t dim);
template <typename T>
void add_position_grad(float* d_position, const T* dy, int32_t batch, int32_t tokens, int32_t dim);
template <typename T>
void patchify(T* y, const float* image, int32_t batch, int32_t channels, int32_t height, int32_t width, int32_t patch);
template <typename T>
void mean_pool(T* y, const T* x, const int32_t* lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first);
template <typename T>
void mean_pool_grad(T* dx, const T* dy, const int32_t* lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first);
template <typename T>
void embedding(T* y, const float* table, const int32_t* ids, int32_t rows, int32_t dim);
template <typename T>
void embedding_grad(float* d_table, const T* dy, const int32_t* ids, int32_t rows, int32_t dim, int32_t padding_id);
template <typename T>
void tanh_activation(T* y, const T* x, int32_t count);
template <typename T>
void tanh_activation_grad(T* dx, const T* dy, const T* y, int32_t count);
template <typename T>
void layer_skip(T* y, const T* x, const T* r, const uint32_t* rng, int32_t samples, int32_t per_sample, float probability,
                int32_t purpose);
template <typename T>
void layer_skip_grad(T* dx, T* dr, const T* dy, const uint32_t* rng, int32_t samples, int32_t per_sample, float probability,
                     int32_t purpose);
template <typename T>
void mask_channels(T* y, const T* x, const int32_t* mask, int32_t batch, int32_t tokens, int32_t dim);
template <typename T>
void average_layer(float* target, const T* x, int32_t batch, int32_t tokens, int32_t dim, int32_t first, int32_t normalization,
                   float scale, float eps, int32_t accumulate);
template <typename T>
void regression(float* stats, T* d_prediction, const T* prediction, const float* target, const int32_t* index, const float* normalizer,
                int32_t rows, int32_t dim, float beta, float scale);
template <typename T>
void cross_entropy(float* stats, T* d_logits, const T* logits, const float* targets, const float* normalizer, int32_t rows,
                   int32_t classes);
template <typename T>
void binary_cross_entropy(float* stats, T* d_logits, const T* logits, const float* targets, const float* normalizer, int32_t count);
template <typename T>
void ctc(float* stats, T* d_logits, const T* logits, const int32_t* targets, const int32_t* target_lengths, const int32_t* frame_lengths,
         const float* normalizer, int32_t batch, int32_t time, int32_t classes, int32_t max_target, int32_t blank);
template <typename T>
void squared_norm(float* y, const T* x, int32_t count);

}  // namespace data2vec::cuda

#endif
