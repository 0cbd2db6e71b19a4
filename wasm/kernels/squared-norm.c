/* squaredNorm: the sum of squares of a flat range. */
#define NORM_BLOCK 1024 /* elements summed in float32 before the sum goes on in double */

typedef struct {
  double *partial;
  const float *x;
  int32_t count;
} squared_norm_args;

NOINLINE float block_squared_norm(const float *x, int32_t count) {
  vf sums[4] = {vzero(), vzero(), vzero(), vzero()};
  int32_t i = 0;
  for (; i + 4 * VLEN <= count; i += 4 * VLEN) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
      vf a = vload(x + i + v * VLEN);
      sums[v] = vfma(a, a, sums[v]);
    }
  }
  float sum = vsum(vadd(vadd(sums[0], sums[1]), vadd(sums[2], sums[3])));
  for (; i < count; i++) sum += x[i] * x[i];
  return sum;
}

static void squared_norm_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const squared_norm_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  double sum = 0;
  for (; i < end; i += NORM_BLOCK) sum += block_squared_norm(args->x + i, smaller(NORM_BLOCK, end - i));
  args->partial[task] = sum;
}

void squared_norm(float *y, const float *x, int32_t count) {
  int32_t tasks = chunks_of(count, ELEMENTS_PER_TASK);
  squared_norm_args args = {workspace((size_t)tasks * sizeof(double)), x, count};
  parallel_for(squared_norm_task, &args, tasks);
  double sum = 0;
  for (int32_t task = 0; task < tasks; task++) sum += args.partial[task];
  y[0] = (float)sum;
}
