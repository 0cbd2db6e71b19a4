/* embedding: rows of a table by id, and the gradient of the table. */
typedef struct {
  float *y; /* the rows, or the gradient of the table */
  const float *x;
  const int32_t *ids;
  int32_t rows, dim, chunk, padding_id;
} embedding_args;

static void embedding_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const embedding_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t r = task * args->chunk; r < end; r++)
    copy_row(args->y + (size_t)r * dim, args->x + (size_t)args->ids[r] * dim, dim);
}

void embedding(float *y, const float *table, const int32_t *ids, int32_t rows, int32_t dim) {
  embedding_args args = {y, table, ids, rows, dim, rows_per_task(rows, dim), -1};
  parallel_for(embedding_task, &args, chunks_of(rows, args.chunk));
}

/* Each task owns some columns of the table and goes through all ids: the sums have the order of the rows, the work is shared evenly
 * whatever the ids, and what no id names isn't touched. */
static void embedding_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const embedding_args *args = ctx;
  int32_t dim = args->dim, first = task * args->chunk, width = smaller(dim - first, args->chunk);
  for (int32_t r = 0; r < args->rows; r++) {
    if (args->ids[r] == args->padding_id) continue;
    add_row(args->y + (size_t)args->ids[r] * dim + first, args->x + (size_t)r * dim + first, width);
  }
}

void embedding_grad(float *d_table, const float *dy, const int32_t *ids, int32_t rows, int32_t dim, int32_t padding_id) {
  /* 32 floats are two cache lines; with few rows a task takes more columns, to be worth starting. */
  int32_t chunk = larger(32, chunks_of(16384, larger(rows, 1)));
  embedding_args args = {d_table, dy, ids, rows, dim, chunk, padding_id};
  parallel_for(embedding_grad_task, &args, chunks_of(dim, chunk));
}
