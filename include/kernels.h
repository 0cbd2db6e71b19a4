/*
 * Every compute kernel, declared once. Each engine (WASM, native CPU, CUDA) implements all of them; src/backend/kernels.ts is the
 * same list for TypeScript, where snake_case becomes camelCase, and src/backend/reference is the definition of each in plain loops.
 *
 * Conventions
 *   Arguments: outputs, then inputs, sizes, attributes. Row-major float32 unless another type is given.
 *   Pointers come from the heap; 0 (NULL) means "absent" where a kernel says optional.
 *   Gradients of parameters ADD to what is there; gradients of activations OVERWRITE. The comment of a kernel says which is which.
 *   A kernel computes the same bits for any number of threads.
 *   In-place (output == input of the same shape) is allowed for the elementwise kernels only: add, dropout, gelu_grad (dx == dy),
 *   tanh_activation, tanh_activation_grad (dx == dy), mask_channels.
 *
 * Randomness: rng points to u32[4] = { seed low, seed high, step, first sample }. The random bits for element `e` of sample `s` are lane
 *   (e & 3) of Philox4x32-10 with key (rng[0], rng[1]) and counter (e >> 2, s + rng[3], rng[2], purpose). An element is kept when
 *   bits >= (uint32)(probability * 2^32), and is then scaled by 1 / (1 - probability). `purpose` tells the random sites of a model apart.
 */
#ifndef DATA2VEC_KERNELS_H
#define DATA2VEC_KERNELS_H
#include <stdint.h>

#define DATA2VEC_KERNELS(X)                                                                                                     \
  X(fill) X(copy) X(add) X(dropout)                                                                                             \
  X(residual) X(residual_grad)                                                                                                  \
  X(linear) X(linear_grad_input) X(linear_grad_weight) X(linear_gelu) X(linear_residual)                                        \
  X(gelu) X(gelu_grad) X(layer_norm) X(layer_norm_grad)                                                                         \
  X(conv1d) X(conv1d_grad_input) X(conv1d_grad_weight) X(layer_norm_gelu) X(layer_norm_gelu_grad)                               \
  X(attention) X(attention_grad) X(relative_bias) X(relative_bias_grad)                                                         \
  X(mask_rows) X(mask_rows_grad) X(gather_rows) X(gather_rows_grad)                                                             \
  X(prepend_token) X(prepend_token_grad) X(add_position) X(add_position_grad)                                                   \
  X(patchify) X(mean_pool) X(mean_pool_grad)                                                                                    \
  X(embedding) X(embedding_grad) X(tanh_activation) X(tanh_activation_grad)                                                    \
  X(layer_skip) X(layer_skip_grad) X(mask_channels)                                                                             \
  X(average_layer) X(regression)                                                                                                \
  X(cross_entropy) X(binary_cross_entropy) X(ctc)                                                                               \
  X(squared_norm) X(clip_scale) X(adamw) X(ema)

#ifdef __cplusplus
extern "C" {
#endif

/* ---- elementwise ---- */
/* y[i] = value */
void fill(float *y, int32_t count, float value);
/* y[i] = x[i] */
void copy(float *y, const float *x, int32_t count);
/* y[i] = a[i] + b[i] */
void add(float *y, const float *a, const float *b, int32_t count);
/* y = keep ? x / (1 - probability) : 0, element index counted within a sample; its own backward (called with dy). */
void dropout(float *y, const float *x, const uint32_t *rng, int32_t samples, int32_t per_sample, float probability, int32_t purpose);

/* ---- residual connection with layer scale and drop path ---- */
/* y = r + keep(sample) / (1 - drop_path) * gamma[c] * x; gamma optional (1). keep uses element 0 of the sample. */
void residual(float *y, const float *r, const float *x, const float *gamma, const uint32_t *rng, int32_t samples,
              int32_t rows_per_sample, int32_t dim, float drop_path, int32_t purpose);
/* dx = keep / (1 - drop_path) * gamma * dy (overwrite); d_gamma[c] += sum of keep / (1 - drop_path) * dy * x, optional (absent when gamma is). */
void residual_grad(float *dx, float *d_gamma, const float *dy, const float *x, const float *gamma, const uint32_t *rng,
                   int32_t samples, int32_t rows_per_sample, int32_t dim, float drop_path, int32_t purpose);

/* ---- dense ---- */
/* y[rows, out] = x[rows, in] · weight[out, in]ᵀ + bias[out]; bias optional. */
void linear(float *y, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim, int32_t out_dim);
/* dx[rows, in] = dy[rows, out] · weight (overwrite). */
void linear_grad_input(float *dx, const float *dy, const float *weight, int32_t rows, int32_t in_dim, int32_t out_dim);
/* d_weight[out, in] += dyᵀ · x; d_bias[out] += column sums of dy; d_bias optional. */
void linear_grad_weight(float *d_weight, float *d_bias, const float *dy, const float *x, int32_t rows, int32_t in_dim, int32_t out_dim);
/* pre = linear(x), y = gelu(pre), with the conventions of both; pre is what gradients need, optional. Its backward is theirs. */
void linear_gelu(float *y, float *pre, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim,
                 int32_t out_dim);
/* branch = linear(x), y = residual(r, branch), with the conventions of both; branch optional. Its backward is theirs. */
void linear_residual(float *y, float *branch, const float *r, const float *x, const float *weight, const float *bias, const float *gamma,
                     const uint32_t *rng, int32_t samples, int32_t rows_per_sample, int32_t in_dim, int32_t out_dim, float drop_path,
                     int32_t purpose);

/* ---- activation and norm ---- */
/* y = x · Φ(x), the exact (erf) GELU. */
void gelu(float *y, const float *x, int32_t count);
/* dx = dy · (Φ(x) + x φ(x)). */
void gelu_grad(float *dx, const float *dy, const float *x, int32_t count);
/* y = (x - mean) · rstd · weight + bias per row, biased variance, rstd = 1 / sqrt(var + eps); weight and bias optional (together). */
void layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias, int32_t rows, int32_t dim,
                float eps);
/* dx overwrite; d_weight, d_bias add (absent when weight is). */
void layer_norm_grad(float *dx, float *d_weight, float *d_bias, const float *dy, const float *x, const float *weight, const float *mean,
                     const float *rstd, int32_t rows, int32_t dim);

/* ---- convolution ---- */
/*
 * y[b, t, o] = bias[o] + sum over tap, c of x[b, t * stride - padding + tap, g * in_channels / groups + c] · weight[o, tap, c], g the
 * group of o, x zero outside of [0, in_time). x [batch, in_time, in_channels], weight [out_channels, kernel, in_channels / groups], bias
 * optional, y [batch, out_time, out_channels] with out_time = floor((in_time + 2 * padding - kernel) / stride) + 1, 0 if that is negative;
 * groups divides the channels of x and of y.
 */
void conv1d(float *y, const float *x, const float *weight, const float *bias, int32_t batch, int32_t in_time, int32_t in_channels,
            int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups);
/* dx overwrite, 0 where no window reaches. */
void conv1d_grad_input(float *dx, const float *dy, const float *weight, int32_t batch, int32_t in_time, int32_t in_channels,
                       int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups);
/* d_weight and d_bias add; d_bias optional. */
void conv1d_grad_weight(float *d_weight, float *d_bias, const float *dy, const float *x, int32_t batch, int32_t in_time,
                        int32_t in_channels, int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups);
/* y = gelu(layer_norm(x)) per row, with the conventions of both: what follows a convolution of a feature extractor. */
void layer_norm_gelu(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias, int32_t rows, int32_t dim,
                     float eps);
/* dx overwrite; d_weight, d_bias add (absent when weight is). */
void layer_norm_gelu_grad(float *dx, float *d_weight, float *d_bias, const float *dy, const float *x, const float *weight,
                          const float *bias, const float *mean, const float *rstd, int32_t rows, int32_t dim);

/* ---- attention ---- */
/*
 * out[b, i, h] = sum_j softmax_j(q_i · k_j / sqrt(head_dim) + bias[h, i, j] - max(slopes[h], 0) * distance(b, i, j)) v_j with
 * qkv [batch, tokens, 3, heads, head_dim], out [batch, tokens, heads, head_dim], log_sum_exp [batch, heads, tokens] (of the biased
 * logits, natural log). bias [heads, tokens, tokens] optional, shared by the batch. slopes [heads] optional: ALiBi, symmetric
 * (Press et al. 2022, "Train short, test long"; data2vec 2.0), with distance(b, i, j) = |p_i - p_j| for positions i32[batch, tokens],
 * below 2^24; without them p_i = i. A token of a negative position has no such bias: its distance from any is 0. lengths i32[batch]
 * optional: keys j >= lengths[b] take no part; all queries are computed; out is 0 where no key takes part. Dropout acts on the
 * probabilities after softmax, on element (h * tokens + i) * round_up(tokens, 4) + j of sample b. The tokens x tokens matrix is never
 * stored.
 */
void attention(float *out, float *log_sum_exp, const float *qkv, const float *bias, const float *slopes, const int32_t *positions,
               const int32_t *lengths, const uint32_t *rng, int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout,
               int32_t purpose);
/*
 * d_qkv overwrite (0 for the k, v of excluded keys); d_bias [heads, tokens, tokens] adds, summed over the batch; d_slopes [heads] adds,
 * summed over batch, queries and keys, nothing where the slope is below 0 (absent when slopes are); both optional.
 */
void attention_grad(float *d_qkv, float *d_bias, float *d_slopes, const float *d_out, const float *out, const float *log_sum_exp,
                    const float *qkv, const float *bias, const float *slopes, const int32_t *positions, const int32_t *lengths,
                    const uint32_t *rng, int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout, int32_t purpose);
/* bias[h, p] = table[index[p], h] for p < positions (= tokens * tokens); table [table_rows, heads]. */
void relative_bias(float *bias, const float *table, const int32_t *index, int32_t heads, int32_t positions);
/* d_table[index[p], h] += d_bias[h, p]. */
void relative_bias_grad(float *d_table, const float *d_bias, const int32_t *index, int32_t heads, int32_t positions, int32_t table_rows);

/* ---- rows ---- */
/* y[r] = mask[r] ? token : x[r]; mask i32; token optional (0). */
void mask_rows(float *y, const float *x, const float *token, const int32_t *mask, int32_t rows, int32_t dim);
/* dx[r] = mask[r] ? 0 : dy[r] (overwrite); d_token += sum of masked dy rows; either optional. */
void mask_rows_grad(float *dx, float *d_token, const float *dy, const int32_t *mask, int32_t rows, int32_t dim);
/* y[i] = index[i] >= 0 ? x[index[i]] : 0 for i < count. */
void gather_rows(float *y, const float *x, const int32_t *index, int32_t count, int32_t dim);
/* dx = 0, then dx[index[i]] += dy[i] where index[i] >= 0, in order of i (all x_rows rows are written). */
void gather_rows_grad(float *dx, const float *dy, const int32_t *index, int32_t count, int32_t x_rows, int32_t dim);
/* y[b, 0] = token; y[b, 1 + t] = x[b, t]; y [batch, tokens + 1, dim]. */
void prepend_token(float *y, const float *x, const float *token, int32_t batch, int32_t tokens, int32_t dim);
/* dx overwrite; d_token adds. */
void prepend_token_grad(float *dx, float *d_token, const float *dy, int32_t batch, int32_t tokens, int32_t dim);
/* y[b, t] = x[b, t] + position[t]. */
void add_position(float *y, const float *x, const float *position, int32_t batch, int32_t tokens, int32_t dim);
/* d_position[t] += sum over the batch of dy[b, t] (the gradient of x is dy itself). */
void add_position_grad(float *d_position, const float *dy, int32_t batch, int32_t tokens, int32_t dim);
/* y[b, (i * width/patch + j), (c, u, v)] = image[b, c, i * patch + u, j * patch + v]; height and width are multiples of patch. */
void patchify(float *y, const float *image, int32_t batch, int32_t channels, int32_t height, int32_t width, int32_t patch);
/* y[b] = mean of x[b, first .. n) with n = lengths ? lengths[b] : tokens; 0 where that range is empty. */
void mean_pool(float *y, const float *x, const int32_t *lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first);
/* dx overwrite, 0 outside the pooled range. */
void mean_pool_grad(float *dx, const float *dy, const int32_t *lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first);

/* ---- speech and text ---- */
/* y[r] = table[ids[r]]; ids lie within the table. */
void embedding(float *y, const float *table, const int32_t *ids, int32_t rows, int32_t dim);
/* d_table[ids[r]] += dy[r] in the order of r, except where ids[r] is padding_id (-1: none). */
void embedding_grad(float *d_table, const float *dy, const int32_t *ids, int32_t rows, int32_t dim, int32_t padding_id);
/* y = tanh x. */
void tanh_activation(float *y, const float *x, int32_t count);
/* dx = dy · (1 - y²), from the output of the forward. */
void tanh_activation_grad(float *dx, const float *dy, const float *y, int32_t count);
/* LayerDrop by sample: y[s] = keep(s) ? x[s] : r[s]; keep uses element 0 of the sample, nothing is rescaled. */
void layer_skip(float *y, const float *x, const float *r, const uint32_t *rng, int32_t samples, int32_t per_sample, float probability,
                int32_t purpose);
/* dx[s] = keep(s) ? dy[s] : 0; dr[s] = keep(s) ? 0 : dy[s] (both overwrite); either optional. */
void layer_skip_grad(float *dx, float *dr, const float *dy, const uint32_t *rng, int32_t samples, int32_t per_sample, float probability,
                     int32_t purpose);
/* y[b, t, c] = mask[b, c] ? 0 : x[b, t, c]; mask i32 [batch, dim]; its own backward (called with dy). */
void mask_channels(float *y, const float *x, const int32_t *mask, int32_t batch, int32_t tokens, int32_t dim);

/* ---- data2vec ---- */
/*
 * The layer-averaged target, one layer at a time: target = (accumulate ? target : 0) + scale * normalize(x), x [batch, tokens, dim].
 * normalization: 0 none; 1 layer norm of each row; 2 instance norm of each channel over tokens first .. tokens - 1 of its sample.
 * Biased variance, no affine. Rows t < first take no part: they become 0 when accumulate is 0 and stay as they are when it is 1.
 */
void average_layer(float *target, const float *x, int32_t batch, int32_t tokens, int32_t dim, int32_t first, int32_t normalization,
                   float scale, float eps, int32_t accumulate);
/*
 * Over the rows i with index[i] >= 0: stats[0] = scale / normalizer[0] * sum of l(prediction - target); l(z) = z² when beta is 0, else
 * smooth-L1: z²/(2 beta) for |z| < beta, |z| - beta/2 beyond. stats[1], stats[2] = mean over channels of sqrt(unbiased variance over those
 * rows + 1e-6) of prediction and target (0 with fewer than 2 rows); stats[3] = number of those rows.
 * d_prediction [rows, dim] overwrite: gradient of stats[0], 0 in the other rows.
 */
void regression(float *stats, float *d_prediction, const float *prediction, const float *target, const int32_t *index,
                const float *normalizer, int32_t rows, int32_t dim, float beta, float scale);

/* ---- losses ---- */
/* stats[0] = -1 / normalizer[0] * sum over rows, classes of target * log softmax(logits); stats[1] = rows whose first largest logit is
 * at their first largest target (rows with an all-zero target are not counted). d_logits overwrite: gradient of stats[0]. */
void cross_entropy(float *stats, float *d_logits, const float *logits, const float *targets, const float *normalizer, int32_t rows,
                   int32_t classes);
/* stats[0] = 1 / normalizer[0] * sum of the binary cross-entropy of sigmoid(logit) with target in [0, 1]. d_logits overwrite. */
void binary_cross_entropy(float *stats, float *d_logits, const float *logits, const float *targets, const float *normalizer, int32_t count);

/*
 * Connectionist temporal classification (Graves et al. 2006) of logits [batch, time, classes] with targets i32 [batch, max_target], of which
 * the first target_lengths[b] count (they lie in [0, classes)), over the first frame_lengths[b] frames (optional: all of time).
 * stats[0] = 1 / normalizer[0] * sum over samples of -log p(target | softmax(logits)); stats[1] = number of samples that no path leads
 * through (a target that doesn't fit the frames), which count for nothing in stats[0] and have gradient 0. d_logits overwrite: gradient of
 * stats[0], 0 in the frames beyond.
 */
void ctc(float *stats, float *d_logits, const float *logits, const int32_t *targets, const int32_t *target_lengths,
         const int32_t *frame_lengths, const float *normalizer, int32_t batch, int32_t time, int32_t classes, int32_t max_target,
         int32_t blank);

/* ---- update ---- */
/* y[0] = sum of x[i]². */
void squared_norm(float *y, const float *x, int32_t count);
/* scale[0] = max_norm > 0 ? min(1, max_norm / (sqrt(squared_norm[0]) + 1e-6)) : 1; NaN when squared_norm[0] is not finite. */
void clip_scale(float *scale, const float *squared_norm, float max_norm);
/*
 * AdamW with decoupled weight decay; scalars = { learningRate, stepSize, rsqrtCorrection, epsilon }:
 *   g = grad_scale[0] * gradient; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²
 *   parameter -= lr_scale * (learningRate * weight_decay * parameter + stepSize * m / (sqrt(v) * rsqrtCorrection + epsilon))
 * both terms with the old parameter. Does nothing when grad_scale[0] is NaN.
 */
void adamw(float *parameter, float *m, float *v, const float *gradient, const float *grad_scale, const float *scalars, int32_t count,
           float lr_scale, float weight_decay, float beta1, float beta2);
/* teacher = decay[0] * teacher + (1 - decay[0]) * student. */
void ema(float *teacher, const float *student, const float *decay, int32_t count);

#ifdef __cplusplus
}
#endif
#endif
