/*
 * Runs every kernel over odd sizes in buffers of exactly the size it may use, for the address and undefined-behaviour sanitizers to watch.
 * Values are judged by tests/ops; here the only wrong result is a report.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../wasm/main.c"

static void *blocks[64];
static int block_count;

static void *block(size_t bytes) { return blocks[block_count++] = malloc(bytes > 0 ? bytes : 1); }
static void release(void) {
  while (block_count > 0) free(blocks[--block_count]);
}

static uint32_t state = 1;
static uint32_t draw(void) { return state = state * 1664525u + 1013904223u, state >> 8; }

/* n floats in [-1, 1) */
static float *floats(int32_t n) {
  float *x = block((size_t)n * sizeof(float));
  for (int32_t i = 0; i < n; i++) x[i] = (float)draw() / 8388608.0f - 1.0f;
  return x;
}
static float *some(int present, int32_t n) { return present ? floats(n) : NULL; }
/* n integers in [low, high) */
static int32_t *ints(int32_t n, int32_t low, int32_t high) {
  int32_t *x = block((size_t)n * sizeof(int32_t));
  for (int32_t i = 0; i < n; i++) x[i] = low + (int32_t)(draw() % (uint32_t)(high - low));
  return x;
}
static float *scalar(float value) {
  float *x = floats(1);
  *x = value;
  return x;
}
static uint32_t *random_block(void) { return (uint32_t *)ints(4, 0, 1 << 20); }

static const int32_t sizes[] = {1, 3, 4, 5, 15, 16, 17, 37, 131};
#define EACH(name, i, limit) for (int32_t i = 0, name = 0; i < (limit) && (name = sizes[i], 1); i++)

static void flat(int32_t n) {
  fill(floats(n), n, 2.0f);
  copy(floats(n), floats(n), n);
  add(floats(n), floats(n), floats(n), n);
  gelu(floats(n), floats(n), n);
  gelu_grad(floats(n), floats(n), floats(n), n);
  tanh_activation(floats(n), floats(n), n);
  tanh_activation_grad(floats(n), floats(n), floats(n), n);
  squared_norm(floats(1), floats(n), n);
  clip_scale(floats(1), scalar(2.0f), 1.0f);
  float *second = floats(n), *scalars = floats(4);
  for (int32_t i = 0; i < n; i++) second[i] = second[i] * second[i];
  adamw(floats(n), floats(n), second, floats(n), scalar(0.5f), scalars, n, 1.0f, 0.1f, 0.9f, 0.99f);
  adamw(floats(n), floats(n), second, floats(n), scalar(NAN), scalars, n, 1.0f, 0.1f, 0.9f, 0.99f);
  ema(floats(n), floats(n), scalar(0.9f), n);
  binary_cross_entropy(floats(1), floats(n), floats(n), floats(n), scalar(3.0f), n);
  release();
}

static void rows(int32_t n, int32_t dim) {
  int32_t count = n * dim;
  for (int affine = 0; affine < 2; affine++) {
    float *x = floats(count), *weight = some(affine, dim), *mean = floats(n), *rstd = floats(n);
    layer_norm(floats(count), mean, rstd, x, weight, some(affine, dim), n, dim, 1e-6f);
    layer_norm_grad(floats(count), some(affine, dim), some(affine, dim), floats(count), x, weight, mean, rstd, n, dim);
    float *bias = some(affine, dim), *d_weight = some(affine, dim), *d_bias = some(affine, dim);
    layer_norm_gelu(floats(count), mean, rstd, x, weight, bias, n, dim, 1e-6f);
    layer_norm_gelu_grad(floats(count), d_weight, d_bias, floats(count), x, weight, bias, mean, rstd, n, dim);
  }
  release();
  int32_t *mask = ints(n, 0, 2), *index = ints(n, -1, n);
  mask_rows(floats(count), floats(count), floats(dim), mask, n, dim);
  mask_rows(floats(count), floats(count), NULL, mask, n, dim);
  mask_rows_grad(NULL, floats(dim), floats(count), mask, n, dim);
  mask_rows_grad(floats(count), NULL, floats(count), mask, n, dim);
  mask_rows_grad(floats(count), floats(dim), floats(count), mask, n, dim);
  gather_rows(floats(count), floats(count), index, n, dim);
  gather_rows_grad(floats(count), floats(count), index, n, n, dim);
  for (int beta = 0; beta < 3; beta++)
    regression(floats(4), floats(count), floats(count), floats(count), index, scalar(3.0f), n, dim, (float)beta, 1.0f);
  cross_entropy(floats(2), floats(count), floats(count), floats(count), scalar(3.0f), n, dim);
  release();
  for (int32_t table_rows = 1; table_rows <= 4097; table_rows *= 16) {
    int32_t *ids = ints(n, 0, table_rows);
    embedding(floats(count), floats(table_rows * dim), ids, n, dim);
    embedding_grad(floats(table_rows * dim), floats(count), ids, n, dim, n % 2 ? 2 : -1);
    release();
  }
  int32_t *positions = ints(n, 0, 5);
  relative_bias(floats(dim * n), floats(5 * dim), positions, dim, n);
  relative_bias_grad(floats(5 * dim), floats(dim * n), positions, dim, n, 5);
  release();
}

static void matrices(int32_t n, int32_t in, int32_t out) {
  for (int bias = 0; bias < 2; bias++) {
    float *x = floats(n * in), *weight = floats(out * in), *dy = floats(n * out);
    linear(floats(n * out), x, weight, some(bias, out), n, in, out);
    linear_gelu(floats(n * out), some(bias, n * out), x, weight, some(bias, out), n, in, out);
    linear_grad_input(floats(n * in), dy, weight, n, in, out);
    linear_grad_weight(floats(out * in), some(bias, out), dy, x, n, in, out);
  }
  release();
}

static void convolutions(int32_t batch, int32_t time, int32_t in, int32_t out, int32_t kernel, int32_t stride, int32_t padding,
                         int32_t groups) {
  int32_t room = time + 2 * padding - kernel, out_time = room < 0 ? 0 : room / stride + 1;
  int32_t x_count = batch * time * in, y_count = batch * out_time * out, weights = out * kernel * (in / groups);
  for (int bias = 0; bias < 2; bias++) {
    float *x = floats(x_count), *weight = floats(weights), *dy = floats(y_count);
    conv1d(floats(y_count), x, weight, some(bias, out), batch, time, in, out, kernel, stride, padding, groups);
    conv1d_grad_input(floats(x_count), dy, weight, batch, time, in, out, kernel, stride, padding, groups);
    conv1d_grad_weight(floats(weights), some(bias, out), dy, x, batch, time, in, out, kernel, stride, padding, groups);
  }
  release();
}

static void samples(int32_t batch, int32_t tokens, int32_t dim) {
  int32_t count = batch * tokens * dim;
  uint32_t *rng = random_block();
  dropout(floats(count), floats(count), rng, batch, tokens * dim, 0.3f, 1);
  for (int variant = 0; variant < 4; variant++) {
    float *gamma = some(variant & 1, dim), *x = floats(count), drop = variant & 2 ? 0.5f : 0.0f;
    uint32_t *keep = drop > 0 ? rng : NULL;
    residual(floats(count), floats(count), x, gamma, keep, batch, tokens, dim, drop, 1);
    linear_residual(floats(count), some(variant & 1, count), floats(count), floats(batch * tokens * 5), floats(dim * 5), floats(dim), gamma,
                    keep, batch, tokens, 5, dim, drop, 1);
    residual_grad(floats(count), some(variant & 1, dim), floats(count), x, gamma, keep, batch, tokens, dim, drop, 1);
  }
  release();
  for (int variant = 0; variant < 4; variant++) {
    uint32_t *keep = variant > 0 ? rng : NULL;
    float skip = variant > 0 ? 0.5f : 0.0f, *dx = some(variant != 1, count), *dr = some(variant != 2, count);
    layer_skip(floats(count), floats(count), floats(count), keep, batch, tokens * dim, skip, 1);
    layer_skip_grad(dx, dr, floats(count), keep, batch, tokens * dim, skip, 1);
    rng = random_block();
  }
  release();
  mask_channels(floats(count), floats(count), ints(batch * dim, 0, 2), batch, tokens, dim);
  prepend_token(floats(count + batch * dim), floats(count), floats(dim), batch, tokens, dim);
  prepend_token_grad(floats(count), floats(dim), floats(count + batch * dim), batch, tokens, dim);
  add_position(floats(count), floats(count), floats(tokens * dim), batch, tokens, dim);
  add_position_grad(floats(tokens * dim), floats(count), batch, tokens, dim);
  release();
  for (int32_t first = 0; first < 2; first++) {
    int32_t *lengths = first ? ints(batch, 0, tokens + 1) : NULL;
    mean_pool(floats(batch * dim), floats(count), lengths, batch, tokens, dim, first);
    mean_pool_grad(floats(count), floats(batch * dim), lengths, batch, tokens, dim, first);
    for (int32_t normalization = 0; normalization < 3; normalization++)
      for (int32_t accumulate = 0; accumulate < 2; accumulate++)
        average_layer(floats(count), floats(count), batch, tokens, dim, first, normalization, 0.5f, 1e-5f, accumulate);
    release();
  }
  int32_t channels = 2, height = 2 * tokens, width = 3 * tokens, pixels = batch * channels * height * width;
  patchify(floats(pixels), floats(pixels), batch, channels, height, width, tokens);
  release();
}

static void alignments(int32_t batch, int32_t time, int32_t classes, int32_t max_target) {
  int32_t *targets = ints(batch * max_target, 0, classes), count = batch * time * classes;
  for (int32_t variant = 0; variant < 4; variant++) {
    int32_t *target_lengths = ints(batch, 0, max_target + 1), *frame_lengths = variant & 1 ? ints(batch, 0, time + 1) : NULL;
    float *logits = floats(count);
    if (variant & 2)
      for (int32_t i = 0; i < count; i++) logits[i] = i % 17 == 3 ? -INFINITY : i % 191 == 7 ? NAN : logits[i] * 1e30f;
    ctc(floats(2), floats(count), logits, targets, target_lengths, frame_lengths, scalar(3.0f), batch, time, classes, max_target, 0);
  }
  release();
}

static void heads_of(int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim) {
  int32_t count = batch * tokens * heads * head_dim, pairs = heads * tokens * tokens;
  for (int variant = 0; variant < 16; variant++) {
    float drop = variant & 4 ? 0.3f : 0.0f;
    uint32_t *rng = drop > 0 ? random_block() : NULL;
    int32_t *lengths = variant & 2 ? ints(batch, 0, tokens + 2) : NULL;
    float *bias = some(variant & 1, pairs), *qkv = floats(3 * count), *out = floats(count), *lse = floats(batch * heads * tokens);
    float *slopes = some(variant & 8, heads);
    int32_t *positions = variant & 1 ? ints(batch * tokens, -1, 2 * tokens) : NULL;
    attention(out, lse, qkv, bias, slopes, positions, lengths, rng, batch, tokens, heads, head_dim, drop, 2);
    attention_grad(floats(3 * count), some(variant & 1, pairs), some(variant & 8, heads), floats(count), out, lse, qkv, bias, slopes, positions,
                   lengths, rng, batch, tokens, heads, head_dim, drop, 2);
    release();
  }
}

int main(void) {
  flat(0);
  rows(0, 5);
  matrices(0, 5, 3);
  samples(0, 3, 5);
  convolutions(0, 7, 5, 3, 3, 2, 1, 1);
  heads_of(0, 5, 2, 8);
  EACH(n, i, 9) flat(n);
  flat(70001);
  EACH(n, i, 9) EACH(dim, j, 9) rows(n, dim);
  rows(1031, 19);
  EACH(n, i, 8) EACH(in, j, 8) EACH(out, k, 8) matrices(n, in, out);
  matrices(149, 401, 67);
  matrices(401, 31, 157);
  EACH(time, i, 8) EACH(channels, j, 6) EACH(kernel, k, 5) {
    for (int32_t stride = 1; stride < 5; stride++) {
      convolutions(2, time, channels, 7, kernel, stride, 0, 1);
      convolutions(3, time, 3 * channels, 6, kernel, stride, kernel / 2, 3);
    }
  }
  convolutions(1, 2, 3, 5, 3, 2, 7, 1);
  convolutions(9, 61, 137, 101, 3, 2, 1, 1);
  convolutions(11, 101, 46, 42, 19, 1, 9, 2);
  convolutions(1, 2003, 5, 53, 10, 5, 0, 1);
  EACH(batch, i, 3) EACH(tokens, j, 8) EACH(dim, k, 8) samples(batch, tokens, dim);
  EACH(time, i, 9) EACH(classes, j, 6) EACH(target, k, 6) alignments(2, time, classes, target - 1);
  alignments(0, 5, 4, 3);
  alignments(3, 0, 4, 3);
  EACH(tokens, i, 9) EACH(head_dim, j, 8) heads_of(2, tokens, 1 + j % 2, head_dim);
  heads_of(1, 65, 2, 64);
  heads_of(3, 73, 1, 80);
  heads_of(1, 197, 1, 130);
  free(workspace(1));
  puts("all kernels ran");
  return 0;
}
