/* copy: y = x. */
typedef struct {
  float *y;
  const float *x;
  int32_t count;
} copy_args;

static void copy_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const copy_args *args = ctx;
  int32_t start = task * ELEMENTS_PER_TASK;
  __builtin_memcpy(args->y + start, args->x + start, (size_t)smaller(args->count - start, ELEMENTS_PER_TASK) * sizeof(float));
}

void copy(float *y, const float *x, int32_t count) {
  copy_args args = {y, x, count};
  parallel_for(copy_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
