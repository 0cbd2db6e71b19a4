/* layerNormGelu: gelu of the layer norm of each row, and its gradient, which computes the normalised values again. */
typedef struct {
  float *y, *mean, *rstd;
  const float *x, *weight, *bias;
  int32_t rows, dim, chunk;
  float eps;
} layer_norm_gelu_args;

/* The layer norm of one vector of a row. */
INLINE vf normalized_vector(vf x, vf mean, vf rstd, const int affine, vf weight, vf bias) {
  vf normalized = vmul(vsub(x, mean), rstd);
  return affine ? vfma(normalized, weight, bias) : normalized;
}

INLINE void layer_norm_gelu_row_of(float *y, const float *x, const float *weight, const float *bias, int32_t dim, float mean, float rstd,
                                   const int affine) {
  vf m = vset1(mean), r = vset1(rstd), none = vzero();
  int32_t c = 0, n;
  for (; c + VLEN <= dim; c += VLEN) {
    vf w = affine ? vload(weight + c) : none, b = affine ? vload(bias + c) : none;
    vstore(y + c, gelu_vector(normalized_vector(vload(x + c), m, r, affine, w, b)));
  }
  if ((n = dim - c) == 0) return;
  vf w = affine ? vload_part(weight + c, n) : none, b = affine ? vload_part(bias + c, n) : none;
  vstore_part(y + c, gelu_vector(normalized_vector(vload_part(x + c, n), m, r, affine, w, b)), n);
}
NOINLINE void layer_norm_gelu_row(float *y, const float *x, const float *weight, const float *bias, int32_t dim, float mean, float rstd) {
  if (weight) layer_norm_gelu_row_of(y, x, weight, bias, dim, mean, rstd, 1);
  else layer_norm_gelu_row_of(y, x, weight, bias, dim, mean, rstd, 0);
}

static void layer_norm_gelu_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const layer_norm_gelu_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t row = task * args->chunk; row < end; row++) {
    const float *x = args->x + (size_t)row * dim;
    row_statistics(x, dim, args->eps, args->mean + row, args->rstd + row);
    layer_norm_gelu_row(args->y + (size_t)row * dim, x, args->weight, args->bias, dim, args->mean[row], args->rstd[row]);
  }
}

void layer_norm_gelu(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias, int32_t rows, int32_t dim,
                     float eps) {
  layer_norm_gelu_args args = {y, mean, rstd, x, weight, bias, rows, dim, rows_per_task(rows, dim), eps};
  parallel_for(layer_norm_gelu_task, &args, chunks_of(rows, args.chunk));
}

/* The gradient of the layer norm's output: d = dy · gelu'(normalized · weight + bias). */
INLINE void layer_norm_gelu_grad_row_of(float *d, const float *dy, const float *x, const float *weight, const float *bias, int32_t dim,
                                        float mean, float rstd, const int affine) {
  vf m = vset1(mean), r = vset1(rstd), none = vzero();
  int32_t c = 0, n;
  for (; c + VLEN <= dim; c += VLEN) {
    vf w = affine ? vload(weight + c) : none, b = affine ? vload(bias + c) : none;
    vstore(d + c, gelu_grad_vector(vload(dy + c), normalized_vector(vload(x + c), m, r, affine, w, b)));
  }
  if ((n = dim - c) == 0) return;
  vf w = affine ? vload_part(weight + c, n) : none, b = affine ? vload_part(bias + c, n) : none;
  vstore_part(d + c, gelu_grad_vector(vload_part(dy + c, n), normalized_vector(vload_part(x + c, n), m, r, affine, w, b)), n);
}
NOINLINE void layer_norm_gelu_grad_row(float *d, const float *dy, const float *x, const float *weight, const float *bias, int32_t dim,
                                       float mean, float rstd) {
  if (weight) layer_norm_gelu_grad_row_of(d, dy, x, weight, bias, dim, mean, rstd, 1);
  else layer_norm_gelu_grad_row_of(d, dy, x, weight, bias, dim, mean, rstd, 0);
}

typedef struct {
  float *dx;
  const float *dy, *x, *weight, *bias, *mean, *rstd;
  float *partials; /* [tasks][2][dim]: gradients of weight and bias */
  int32_t rows, dim, chunk;
} layer_norm_gelu_grad_args;

/* A row of dx first holds the gradient of the layer norm's output: the row stays in the first-level cache. */
static void layer_norm_gelu_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const layer_norm_gelu_grad_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  float *partial = args->weight ? args->partials + (size_t)task * 2 * dim : 0;
  if (partial) zero_row(partial, 2 * dim);
  for (int32_t row = task * args->chunk; row < end; row++) {
    const float *x = args->x + (size_t)row * dim;
    float *d = args->dx + (size_t)row * dim, mean = args->mean[row], rstd = args->rstd[row], sum, sum_normalized;
    layer_norm_gelu_grad_row(d, args->dy + (size_t)row * dim, x, args->weight, args->bias, dim, mean, rstd);
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
