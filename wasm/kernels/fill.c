/* fill: y = value. */
typedef struct {
  float *y;
  int32_t count;
  float value;
} fill_args;

static void fill_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const fill_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  vf value = vset1(args->value);
  for (; i + VLEN <= end; i += VLEN) vstore(args->y + i, value);
  for (; i < end; i++) args->y[i] = args->value;
}

void fill(float *y, int32_t count, float value) {
  fill_args args = {y, count, value};
  parallel_for(fill_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
