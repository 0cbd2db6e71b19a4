/* maskRows: puts a token in place of masked rows, and its gradient. */
typedef struct {
  float *y;
  const float *x, *token;
  const int32_t *mask;
  float *partials; /* [tasks][dim]: gradient of the token */
  int32_t rows, dim, chunk;
} mask_rows_args;

static void mask_rows_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const mask_rows_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t r = task * args->chunk; r < end; r++)
    copy_row(args->y + (size_t)r * dim, args->mask[r] ? args->token : args->x + (size_t)r * dim, dim);
}

void mask_rows(float *y, const float *x, const float *token, const int32_t *mask, int32_t rows, int32_t dim) {
  mask_rows_args args = {y, x, token, mask, 0, rows, dim, rows_per_task(rows, dim)};
  parallel_for(mask_rows_task, &args, chunks_of(rows, args.chunk));
}

static void mask_rows_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const mask_rows_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  float *sum = args->partials + (size_t)task * dim;
  zero_row(sum, dim);
  for (int32_t r = task * args->chunk; r < end; r++) {
    float *dx = args->y + (size_t)r * dim;
    const float *dy = args->x + (size_t)r * dim;
    if (args->mask[r]) {
      zero_row(dx, dim);
      add_row(sum, dy, dim);
    } else {
      copy_row(dx, dy, dim);
    }
  }
}

void mask_rows_grad(float *dx, float *d_token, const float *dy, const int32_t *mask, int32_t rows, int32_t dim) {
  mask_rows_args args = {dx, dy, 0, mask, 0, rows, dim, rows_per_task(rows, dim)};
  int32_t tasks = chunks_of(rows, args.chunk);
  args.partials = workspace((size_t)tasks * dim * sizeof(float));
  parallel_for(mask_rows_grad_task, &args, tasks);
  add_partials(d_token, args.partials, tasks, dim);
}
