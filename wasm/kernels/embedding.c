/* embedding: rows of a table by id, and the gradient of the table. */
typedef struct {
  float *y; /* the rows, or the gradient of the table */
  const float *x;
  const int32_t *ids, *order; /* order: rows by id, in the gradient */
  int32_t rows, dim, chunk;
} embedding_args;

static void embedding_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const embedding_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t r = task * args->chunk; r < end; r++)
    copy_row(args->y + (size_t)r * dim, args->x + (size_t)args->ids[r] * dim, dim);
}

void embedding(float *y, const float *table, const int32_t *ids, int32_t rows, int32_t dim) {
  embedding_args args = {y, table, ids, 0, rows, dim, rows_per_task(rows, dim)};
  parallel_for(embedding_task, &args, chunks_of(rows, args.chunk));
}

#define DIGIT_BITS 11

/* Sorts `order` (n row numbers) by their ids, rows of one id staying in order; `spare` has room for as many. Returns where the result is. */
static int32_t *sort_by_id(int32_t *order, int32_t *spare, const int32_t *ids, int32_t n) {
  for (int shift = 0; shift < 31; shift += DIGIT_BITS) {
    int32_t starts[(1 << DIGIT_BITS) + 1] = {0}, mask = (1 << DIGIT_BITS) - 1;
    for (int32_t i = 0; i < n; i++) starts[(ids[order[i]] >> shift & mask) + 1]++;
    if (n > 0 && starts[(ids[order[0]] >> shift & mask) + 1] == n) continue;
    for (int32_t digit = 0; digit < mask; digit++) starts[digit + 1] += starts[digit];
    for (int32_t i = 0; i < n; i++) spare[starts[ids[order[i]] >> shift & mask]++] = order[i];
    int32_t *swap = order;
    order = spare, spare = swap;
  }
  return order;
}

/* A task takes the ids that come first within its piece of the order, and all rows of those: so each row of the table has one task, which
 * adds in the order of the rows, and what no id names isn't touched. */
static void embedding_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const embedding_args *args = ctx;
  const int32_t *order = args->order, *ids = args->ids;
  int32_t dim = args->dim, i = task * args->chunk, end = smaller(args->rows, i + args->chunk);
  while (i > 0 && i < end && ids[order[i]] == ids[order[i - 1]]) i++;
  if (i == end) return;
  for (; i < args->rows && (i < end || ids[order[i]] == ids[order[i - 1]]); i++)
    add_row(args->y + (size_t)ids[order[i]] * dim, args->x + (size_t)order[i] * dim, dim);
}

void embedding_grad(float *d_table, const float *dy, const int32_t *ids, int32_t rows, int32_t dim, int32_t padding_id) {
  int32_t *order = workspace(2 * (size_t)rows * sizeof(int32_t)), n = 0;
  for (int32_t r = 0; r < rows; r++)
    if (ids[r] != padding_id) order[n++] = r;
  embedding_args args = {d_table, dy, ids, sort_by_id(order, order + rows, ids, n), n, dim, rows_per_task(n, dim)};
  parallel_for(embedding_grad_task, &args, chunks_of(n, args.chunk));
}
