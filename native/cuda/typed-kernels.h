// The host side of the CUDA kernels: include/kernels.h with the activations of a type of their own, T: float32, later bfloat16. Products,
// convolutions and attention are as in include/kernels.h itself, and take the type from the context.
#ifndef DATA2VEC_CUDA_TYPED_KERNELS_H
#define DATA2VEC_CUDA_TYPED_KERNELS_H

#include <cstdint>

namespace data2vec::cuda {

template <typename T>
void fill(float* y, int32_t count, float value);
template <typename T>
void copy(float* y, const float* x, int32_t count);
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
void gelu(T* y, const T* x, int32_t count);
template <typename T>
void gelu_grad(T* dx, const T* dy, const T* x, int32_t count);
template <typename T>
void layer_norm(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int32_t rows, int32_t dim, float eps);
template <typename T>
void layer_norm_grad(T* dx, float* d_weight, float* d_bias, const T* dy, const T* x, const float* weight, const float* mean,
                     const float* rstd, int32_t rows, int32_t dim);
template <typename T>
void layer_norm_gelu(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int32_t rows, int32_t dim,
                     float eps);
template <typename T>
void layer_norm_gelu_grad(T* dx, float* d_weight, float* d_bias, const T* dy, const T* x, const float* weight, const float* bias,
                          const float* mean, const float* rstd, int32_t rows, int32_t dim);
template <typename T>
void relative_bias(float* bias, const float* table, const int32_t* index, int32_t heads, int32_t positions);
template <typename T>
void relative_bias_grad(float* d_table, const float* d_bias, const int32_t* index, int32_t heads, int32_t positions, int32_t table_rows);
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
void patchify(T* y, const T* image, int32_t batch, int32_t channels, int32_t height, int32_t width, int32_t patch);
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
void squared_norm(float* y, const float* x, int32_t count);
template <typename T>
void clip_scale(float* scale, const float* squared_norm, float max_norm);
template <typename T>
void adamw(float* parameter, float* m, float* v, const float* gradient, const float* grad_scale, const float* scalars, int32_t count,
           float lr_scale, float weight_decay, float beta1, float beta2);
template <typename T>
void ema(float* teacher, const float* student, const float* decay, int32_t count);

}  // namespace data2vec::cuda

#endif
