/* layerNorm: (x - mean) / sqrt(variance + eps) per row, with an optional weight and bias, and its gradient. */
typedef struct {
  float *y, *mean, *rstd;
  const float *x, *weight, *bias;
  int32_t rows, dim, chunk;
  float eps;
} layer_norm_args;

NOINLINE void layer_norm_row(float *y, const float *x, const float *weight, const float *bias, int32_t dim, float mean, float rstd) {
  vf m = vset1(mean), r = vset1(rstd);
  int32_t c = 0;
  if (!weight) {
    for (; c + VLEN <= dim; c += VLEN) vstore(y + c, vmul(vsub(vload(x + c), m), r));
    for (; c < dim; c++) y[c] = (x[c] - mean) * rstd;
    return;
  }
  for (; c + VLEN <= dim; c += VLEN) {
    __builtin_prefetch(y + c + STORE_AHEAD, 1);
    vstore(y + c, vfma(vmul(vsub(vload(x + c), m), r), vload(weight + c), vload(bias + c)));
  }
  for (; c < dim; c++) y[c] = (x[c] - mean) * rstd * weight[c] + bias[c];
}

static void layer_norm_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const layer_norm_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t r = task * args->chunk; r < end; r++) {
    const float *x = args->x + (size_t)r * dim;
    row_statistics(x, dim, args->eps, args->mean + r, args->rstd + r);
    layer_norm_row(args->y + (size_t)r * dim, x, args->weight, args->bias, dim, args->mean[r], args->rstd[r]);
  }
}

void layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight, const float *bias, int32_t rows, int32_t dim,
                float eps) {
  layer_norm_args args = {y, mean, rstd, x, weight, bias, rows, dim, rows_per_task(rows, dim), eps};
  parallel_for(layer_norm_task, &args, chunks_of(rows, args.chunk));
}

typedef struct {
  float *dx;
  const float *dy, *x, *weight, *mean, *rstd;
  float *partials; /* [tasks][2][dim]: gradients of weight and bias */
  int32_t rows, dim, chunk;
} layer_norm_grad_args;

/* First pass over a row: the sums of d and d · normalized with d = dy · weight; the row's part of the parameter gradients. */
NOINLINE void layer_norm_grad_sums(const float *dy, const float *x, const float *weight, float *d_weight, float *d_bias, int32_t dim,
                                   float mean, float rstd, float *sum, float *sum_normalized) {
  vf m = vset1(mean), r = vset1(rstd), s = vzero(), s_normalized = vzero();
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) {
    vf g = vload(dy + c), normalized = vmul(vsub(vload(x + c), m), r), d = g;
    if (weight) {
      d = vmul(g, vload(weight + c));
      vstore(d_weight + c, vfma(g, normalized, vload(d_weight + c)));
      vstore(d_bias + c, vadd(g, vload(d_bias + c)));
    }
    s = vadd(s, d);
    s_normalized = vfma(d, normalized, s_normalized);
  }
  *sum = vsum(s);
  *sum_normalized = vsum(s_normalized);
  for (; c < dim; c++) {
    float normalized = (x[c] - mean) * rstd, d = dy[c];
    if (weight) {
      d_weight[c] += dy[c] * normalized;
      d_bias[c] += dy[c];
      d *= weight[c];
    }
    *sum += d;
    *sum_normalized += d * normalized;
  }
}

NOINLINE void layer_norm_grad_row(float *dx, const float *dy, const float *x, const float *weight, int32_t dim, float mean, float rstd,
                                  float mean_d, float mean_normalized) {
  vf m = vset1(mean), r = vset1(rstd), a = vset1(mean_d), b = vset1(mean_normalized);
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) {
    vf d = vload(dy + c), normalized = vmul(vsub(vload(x + c), m), r);
    if (weight) d = vmul(d, vload(weight + c));
    __builtin_prefetch(dx + c + STORE_AHEAD, 1);
    vstore(dx + c, vmul(r, vfnma(normalized, b, vsub(d, a))));
  }
  for (; c < dim; c++) {
    float d = weight ? dy[c] * weight[c] : dy[c], normalized = (x[c] - mean) * rstd;
    dx[c] = rstd * (d - mean_d - normalized * mean_normalized);
  }
}

static void layer_norm_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const layer_norm_grad_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  float *partial = args->weight ? args->partials + (size_t)task * 2 * dim : 0;
  if (partial) zero_row(partial, 2 * dim);
  for (int32_t row = task * args->chunk; row < end; row++) {
    const float *dy = args->dy + (size_t)row * dim, *x = args->x + (size_t)row * dim;
    float mean = args->mean[row], rstd = args->rstd[row], sum, sum_normalized;
    layer_norm_grad_sums(dy, x, args->weight, partial, partial ? partial + dim : 0, dim, mean, rstd, &sum, &sum_normalized);
    layer_norm_grad_row(args->dx + (size_t)row * dim, dy, x, args->weight, dim, mean, rstd, sum / (float)dim, sum_normalized / (float)dim);
  }
}

void layer_norm_grad(float *dx, float *d_weight, float *d_bias, const float *dy, const float *x, const float *weight, const float *mean,
                     const float *rstd, int32_t rows, int32_t dim) {
  layer_norm_grad_args args = {dx, dy, x, weight, mean, rstd, 0, rows, dim, rows_per_task(rows, dim)};
  int32_t tasks = chunks_of(rows, args.chunk);
  if (weight) args.partials = workspace((size_t)tasks * 2 * dim * sizeof(float));
  parallel_for(layer_norm_grad_task, &args, tasks);
  if (!weight) return;
  for (int32_t task = 0; task < tasks; task++) {
    add_row(d_weight, args.partials + (size_t)task * 2 * dim, dim);
    add_row(d_bias, args.partials + (size_t)task * 2 * dim + dim, dim);
  }
}
