/* residual: y = r + keep / (1 - drop_path) * gamma * x, with layer scale (gamma) and drop path per sample, and its gradient. */
typedef struct {
  float *y, *partials; /* partials: [tasks][dim] of d_gamma */
  const float *r, *x, *gamma;
  const uint32_t *rng;
  int32_t rows, rows_per_sample, dim, step;
  float drop_path;
  uint32_t purpose;
} residual_args;

NOINLINE void residual_row(float *y, const float *r, const float *x, const float *gamma, int32_t dim, float keep) {
  int32_t c = 0;
  if (keep == 0) {
    copy_row(y, r, dim);
  } else if (gamma) {
    for (; c + VLEN <= dim; c += VLEN) vstore(y + c, vfma(vmul(vset1(keep), vload(gamma + c)), vload(x + c), vload(r + c)));
    for (; c < dim; c++) y[c] = r[c] + keep * gamma[c] * x[c];
  } else {
    for (; c + VLEN <= dim; c += VLEN) vstore(y + c, vfma(vset1(keep), vload(x + c), vload(r + c)));
    for (; c < dim; c++) y[c] = r[c] + keep * x[c];
  }
}

NOINLINE void residual_grad_row(float *dx, float *d_gamma, const float *dy, const float *x, const float *gamma, int32_t dim, float keep) {
  int32_t c = 0;
  if (keep == 0) {
    zero_row(dx, dim);
  } else if (d_gamma) {
    for (; c + VLEN <= dim; c += VLEN) {
      vf g = vmul(vset1(keep), vload(dy + c));
      __builtin_prefetch(dx + c + STORE_AHEAD, 1);
      vstore(dx + c, vmul(g, vload(gamma + c)));
      vstore(d_gamma + c, vfma(g, vload(x + c), vload(d_gamma + c)));
    }
    for (; c < dim; c++) {
      float g = keep * dy[c];
      dx[c] = g * gamma[c];
      d_gamma[c] += g * x[c];
    }
  } else if (gamma) {
    for (; c + VLEN <= dim; c += VLEN) vstore(dx + c, vmul(vmul(vset1(keep), vload(dy + c)), vload(gamma + c)));
    for (; c < dim; c++) dx[c] = keep * dy[c] * gamma[c];
  } else {
    for (; c + VLEN <= dim; c += VLEN) vstore(dx + c, vmul(vset1(keep), vload(dy + c)));
    for (; c < dim; c++) dx[c] = keep * dy[c];
  }
}

INLINE float residual_keep(const residual_args *args, int32_t row) {
  return sample_keep(args->rng, (uint32_t)(row / args->rows_per_sample), args->drop_path, args->purpose);
}

static void residual_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const residual_args *args = ctx;
  int32_t row = task * args->step, end = smaller(args->rows, row + args->step), dim = args->dim;
  float keep = residual_keep(args, row);
  for (; row < end; row++) {
    if (row % args->rows_per_sample == 0) keep = residual_keep(args, row);
    size_t at = (size_t)row * (size_t)dim;
    residual_row(args->y + at, args->r + at, args->x + at, args->gamma, dim, keep);
  }
}

static void residual_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const residual_args *args = ctx;
  int32_t row = task * args->step, end = smaller(args->rows, row + args->step), dim = args->dim;
  float *partial = args->partials ? args->partials + (size_t)task * (size_t)dim : 0;
  if (partial) zero_row(partial, dim);
  float keep = residual_keep(args, row);
  for (; row < end; row++) {
    if (row % args->rows_per_sample == 0) keep = residual_keep(args, row);
    size_t at = (size_t)row * (size_t)dim;
    residual_grad_row(args->y + at, partial, args->r + at, partial ? args->x + at : 0, args->gamma, dim, keep);
  }
}

void residual(float *y, const float *r, const float *x, const float *gamma, const uint32_t *rng, int32_t samples,
              int32_t rows_per_sample, int32_t dim, float drop_path, int32_t purpose) {
  int32_t rows = samples * rows_per_sample;
  residual_args args = {y, 0, r, x, gamma, rng, rows, rows_per_sample, dim, rows_per_task(rows, dim), drop_path, (uint32_t)purpose};
  parallel_for(residual_task, &args, chunks_of(rows, args.step));
}

void residual_grad(float *dx, float *d_gamma, const float *dy, const float *x, const float *gamma, const uint32_t *rng,
                   int32_t samples, int32_t rows_per_sample, int32_t dim, float drop_path, int32_t purpose) {
  int32_t rows = samples * rows_per_sample;
  residual_args args = {dx, 0, dy, x, gamma, rng, rows, rows_per_sample, dim, rows_per_task(rows, dim), drop_path, (uint32_t)purpose};
  int32_t tasks = chunks_of(rows, args.step);
  if (d_gamma) args.partials = workspace((size_t)tasks * (size_t)dim * sizeof(float));
  parallel_for(residual_grad_task, &args, tasks);
  if (d_gamma) add_partials(d_gamma, args.partials, tasks, dim);
}
