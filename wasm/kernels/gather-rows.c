/* gatherRows: rows in the order of an index, zeros where it is negative, and its gradient. */
typedef struct {
  float *y;
  const float *x;
  const int32_t *index;
  int32_t count, dim, chunk, x_rows;
} gather_rows_args;

static void gather_rows_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const gather_rows_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->count, (task + 1) * args->chunk);
  for (int32_t i = task * args->chunk; i < end; i++) {
    float *y = args->y + (size_t)i * dim;
    if (args->index[i] >= 0) copy_row(y, args->x + (size_t)args->index[i] * dim, dim);
    else zero_row(y, dim);
  }
}

void gather_rows(float *y, const float *x, const int32_t *index, int32_t count, int32_t dim) {
  gather_rows_args args = {y, x, index, count, dim, rows_per_task(count, dim), 0};
  parallel_for(gather_rows_task, &args, chunks_of(count, args.chunk));
}

/* Each task owns some rows of dx and reads the whole index, so that the order of the sums is that of the index. */
static void gather_rows_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const gather_rows_args *args = ctx;
  int32_t dim = args->dim, first = task * args->chunk, end = smaller(args->x_rows, first + args->chunk);
  for (int32_t r = first; r < end; r++) zero_row(args->y + (size_t)r * dim, dim);
  for (int32_t i = 0; i < args->count; i++) {
    int32_t row = args->index[i];
    if (row >= first && row < end) add_row(args->y + (size_t)row * dim, args->x + (size_t)i * dim, dim);
  }
}

void gather_rows_grad(float *dx, const float *dy, const int32_t *index, int32_t count, int32_t x_rows, int32_t dim) {
  gather_rows_args args = {dx, dy, index, count, dim, larger(chunks_of(x_rows, 16), chunks_of(16384, larger(dim, 1))), x_rows};
  parallel_for(gather_rows_grad_task, &args, chunks_of(x_rows, args.chunk));
}
