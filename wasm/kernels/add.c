/* add: y = a + b. */
typedef struct {
  float *y;
  const float *a, *b;
  int32_t count;
} add_args;

static void add_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const add_args *args = ctx;
  float *y = args->y;
  const float *a = args->a, *b = args->b;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  for (; i + VLEN <= end; i += VLEN) vstore(y + i, vadd(vload(a + i), vload(b + i)));
  for (; i < end; i++) y[i] = a[i] + b[i];
}

void add(float *y, const float *a, const float *b, int32_t count) {
  add_args args = {y, a, b, count};
  parallel_for(add_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
