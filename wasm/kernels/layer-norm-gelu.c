/*
 * layerNormGelu: gelu of the layer norm of each row, and its gradient, which computes the layer norm again. Each row passes through the
 * loops of both in turn while it lies in the first-level cache: one loop for all would need more registers than there are.
 */
typedef struct {
  float *y, *mean, *rstd;
  const float *x, *weight, *bias;
  int32_t rows, dim, chunk;
  float eps;
} layer_norm_gelu_args;

static void layer_norm_gelu_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const layer_norm_gelu_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t row = task * args->chunk; row < end; row++) {
    const float *x = args->x + (size_t)row * dim;
    float *y = args->y + (size_t)row * dim;
    row_statistics(x, dim, args->eps, args->mean + row, args->rstd + row);
    layer_norm_row(y, x, args->weight, args->bias, dim, args->mean[row], args->rstd[row]);
    gelu_row(y, y, dim);
  }
}

void layer_norm_gelu(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias, int32_t rows, int32_t dim,
                     float eps) {
  layer_norm_gelu_args args = {y, mean, rstd, x, weight, bias, rows, dim, rows_per_task(rows, dim), eps};
  parallel_for(layer_norm_gelu_task, &args, chunks_of(rows, args.chunk));
}

typedef struct {
  float *dx;
  const float *dy, *x, *weight, *bias, *mean, *rstd;
  float *partials; /* [tasks][2][dim]: gradients of weight and bias */
  int32_t rows, dim, chunk;
} layer_norm_gelu_grad_args;

/* A row of dx first holds the layer norm, then the gradient of it, then the gradient of x. */
static void layer_norm_gelu_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const layer_norm_gelu_grad_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  float *partial = args->weight ? args->partials + (size_t)task * 2 * dim : 0;
  if (partial) zero_row(partial, 2 * dim);
  for (int32_t row = task * args->chunk; row < end; row++) {
    const float *x = args->x + (size_t)row * dim;
    float *d = args->dx + (size_t)row * dim, mean = args->mean[row], rstd = args->rstd[row], sum, sum_normalized;
    layer_norm_row(d, x, args->weight, args->bias, dim, mean, rstd);
    gelu_grad_row(d, args->dy + (size_t)row * dim, d, dim);
    layer_norm_grad_sums(d, x, args->weight, partial, partial ? partial + dim : 0, dim, mean, rstd, &sum, &sum_normalized);
    layer_norm_grad_row(d, d, x, args->weight, dim, mean, rstd, sum / (float)dim, sum_normalized / (float)dim);
  }
}

void layer_norm_gelu_grad(float *dx, float *d_weight, float *d_bias, const float *dy, const float *x, const float *weight,
                          const float *bias, const float *mean, const float *rstd, int32_t rows, int32_t dim) {
  layer_norm_gelu_grad_args args = {dx, dy, x, weight, bias, mean, rstd, 0, rows, dim, rows_per_task(rows, dim)};
  int32_t tasks = chunks_of(rows, args.chunk);
  if (weight) args.partials = workspace((size_t)tasks * 2 * dim * sizeof(float));
  parallel_for(layer_norm_gelu_grad_task, &args, tasks);
  if (!weight) return;
  for (int32_t task = 0; task < tasks; task++) {
    add_row(d_weight, args.partials + (size_t)task * 2 * dim, dim);
    add_row(d_bias, args.partials + (size_t)task * 2 * dim + dim, dim);
  }
}
