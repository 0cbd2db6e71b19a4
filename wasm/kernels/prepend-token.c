/* prependToken: a learned token before the others of each sample, and its gradient. */
typedef struct {
  float *y;
  const float *x, *token;
  int32_t per_sample, dim;
} prepend_token_args;

static void prepend_token_task(void *ctx, int32_t b, int32_t thread) {
  (void)thread;
  const prepend_token_args *args = ctx;
  float *y = args->y + (size_t)b * (args->per_sample + args->dim);
  copy_row(y, args->token, args->dim);
  copy_row(y + args->dim, args->x + (size_t)b * args->per_sample, args->per_sample);
}

void prepend_token(float *y, const float *x, const float *token, int32_t batch, int32_t tokens, int32_t dim) {
  prepend_token_args args = {y, x, token, tokens * dim, dim};
  parallel_for(prepend_token_task, &args, batch);
}

static void prepend_token_grad_task(void *ctx, int32_t b, int32_t thread) {
  (void)thread;
  const prepend_token_args *args = ctx;
  const float *dy = args->x + (size_t)b * (args->per_sample + args->dim);
  copy_row(args->y + (size_t)b * args->per_sample, dy + args->dim, args->per_sample);
}

void prepend_token_grad(float *dx, float *d_token, const float *dy, int32_t batch, int32_t tokens, int32_t dim) {
  prepend_token_args args = {dx, dy, 0, tokens * dim, dim};
  parallel_for(prepend_token_grad_task, &args, batch);
  for (int32_t b = 0; b < batch; b++) add_row(d_token, dy + (size_t)b * (tokens + 1) * dim, dim);
}
