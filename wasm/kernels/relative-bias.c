/* relativeBias: the attention bias of each pair of positions, looked up in a table, and the gradient of the table. */
typedef struct {
  float *y; /* bias, or the partial gradients [heads][table_rows] */
  const float *x;
  const int32_t *index;
  int32_t heads, positions, table_rows;
} relative_bias_args;

static void relative_bias_task(void *ctx, int32_t h, int32_t thread) {
  (void)thread;
  const relative_bias_args *args = ctx;
  float *bias = args->y + (size_t)h * args->positions;
  for (int32_t p = 0; p < args->positions; p++) bias[p] = args->x[(size_t)args->index[p] * args->heads + h];
}

void relative_bias(float *bias, const float *table, const int32_t *index, int32_t heads, int32_t positions) {
  relative_bias_args args = {bias, table, index, heads, positions, 0};
  parallel_for(relative_bias_task, &args, heads);
}

static void relative_bias_grad_task(void *ctx, int32_t h, int32_t thread) {
  (void)thread;
  const relative_bias_args *args = ctx;
  float *sums = args->y + (size_t)h * args->table_rows;
  const float *d_bias = args->x + (size_t)h * args->positions;
  zero_row(sums, args->table_rows);
  for (int32_t p = 0; p < args->positions; p++) sums[args->index[p]] += d_bias[p];
}

void relative_bias_grad(float *d_table, const float *d_bias, const int32_t *index, int32_t heads, int32_t positions, int32_t table_rows) {
  float *sums = workspace((size_t)heads * table_rows * sizeof(float));
  relative_bias_args args = {sums, d_bias, index, heads, positions, table_rows};
  parallel_for(relative_bias_grad_task, &args, heads);
  for (int32_t row = 0; row < table_rows; row++)
    for (int32_t h = 0; h < heads; h++) d_table[(size_t)row * heads + h] += sums[(size_t)h * table_rows + row];
}
