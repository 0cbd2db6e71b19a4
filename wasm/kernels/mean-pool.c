/* meanPool: the mean over a range of each sample's tokens, and its gradient. */
typedef struct {
  float *y;
  const float *x;
  const int32_t *lengths;
  int32_t tokens, dim, first;
} mean_pool_args;

INLINE int32_t pooled_end(const mean_pool_args *args, int32_t b) {
  return args->lengths ? smaller(args->tokens, args->lengths[b]) : args->tokens;
}

/* y = factor * x */
static void scale_row(float *y, const float *x, int32_t dim, float factor) {
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) vstore(y + c, vmul(vload(x + c), vset1(factor)));
  for (; c < dim; c++) y[c] = factor * x[c];
}

static void mean_pool_task(void *ctx, int32_t b, int32_t thread) {
  (void)thread;
  const mean_pool_args *args = ctx;
  int32_t dim = args->dim, end = pooled_end(args, b);
  float *y = args->y + (size_t)b * dim;
  zero_row(y, dim);
  for (int32_t t = args->first; t < end; t++) add_row(y, args->x + ((size_t)b * args->tokens + t) * dim, dim);
  if (end > args->first) scale_row(y, y, dim, 1.0f / (float)(end - args->first));
}

void mean_pool(float *y, const float *x, const int32_t *lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first) {
  mean_pool_args args = {y, x, lengths, tokens, dim, first};
  parallel_for(mean_pool_task, &args, batch);
}

static void mean_pool_grad_task(void *ctx, int32_t b, int32_t thread) {
  (void)thread;
  const mean_pool_args *args = ctx;
  int32_t dim = args->dim, end = pooled_end(args, b);
  const float *dy = args->x + (size_t)b * dim;
  for (int32_t t = 0; t < args->tokens; t++) {
    float *dx = args->y + ((size_t)b * args->tokens + t) * dim;
    if (t >= args->first && t < end) scale_row(dx, dy, dim, 1.0f / (float)(end - args->first));
    else zero_row(dx, dim);
  }
}

void mean_pool_grad(float *dx, const float *dy, const int32_t *lengths, int32_t batch, int32_t tokens, int32_t dim, int32_t first) {
  mean_pool_args args = {dx, dy, lengths, tokens, dim, first};
  parallel_for(mean_pool_grad_task, &args, batch);
}
