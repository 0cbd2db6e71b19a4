/* maskRows: puts a token or zeros in place of masked rows, and its gradient. */
typedef struct {
  float *y; /* or the gradient of x, optional */
  const float *x, *token;
  const int32_t *mask;
  float *partials; /* [tasks][dim]: gradient of the token; absent when nobody wants it */
  int32_t rows, dim, chunk;
} mask_rows_args;

static void mask_rows_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const mask_rows_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t r = task * args->chunk; r < end; r++) {
    float *y = args->y + (size_t)r * dim;
    const float *source = args->mask[r] ? args->token : args->x + (size_t)r * dim;
    if (source) copy_row(y, source, dim);
    else zero_row(y, dim);
  }
}

void mask_rows(float *y, const float *x, const float *token, const int32_t *mask, int32_t rows, int32_t dim) {
  mask_rows_args args = {y, x, token, mask, 0, rows, dim, rows_per_task(rows, dim)};
  parallel_for(mask_rows_task, &args, chunks_of(rows, args.chunk));
}

static void mask_rows_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const mask_rows_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  float *sum = args->partials ? args->partials + (size_t)task * dim : 0;
  if (sum) zero_row(sum, dim);
  for (int32_t r = task * args->chunk; r < end; r++) {
    float *dx = args->y ? args->y + (size_t)r * dim : 0;
    const float *dy = args->x + (size_t)r * dim;
    if (args->mask[r]) {
      if (dx) zero_row(dx, dim);
      if (sum) add_row(sum, dy, dim);
    } else if (dx) {
      copy_row(dx, dy, dim);
    }
  }
}

void mask_rows_grad(float *dx, float *d_token, const float *dy, const int32_t *mask, int32_t rows, int32_t dim) {
  mask_rows_args args = {dx, dy, 0, mask, 0, rows, dim, rows_per_task(rows, dim)};
  int32_t tasks = chunks_of(rows, args.chunk);
  if (d_token) args.partials = workspace((size_t)tasks * dim * sizeof(float));
  parallel_for(mask_rows_grad_task, &args, tasks);
  if (d_token) add_partials(d_token, args.partials, tasks, dim);
}
