/* The speed limit a matrix product is measured against: multiply-adds on registers, with nothing else to do. */
#define PEAK_STEPS 20000 /* steps of one task: some 40 µs */

typedef struct {
  float *sums; /* one per task, so that no work can be left out */
} peak_args;

/* 12 independent chains, as many as the matrix product has. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define DECLARE(i) vf c##i = vset1((float)(i));
#define STEP(i) c##i = vfma(c##i, scale, offset);
#define SUM(i) sum = vadd(sum, c##i);

static void peak_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const peak_args *args = ctx;
  vf scale = vset1(0.5f), offset = vset1((float)task), sum = vzero();
  CHAINS(DECLARE)
  for (int32_t steps = PEAK_STEPS; steps > 0; --steps) {
    CHAINS(STEP)
  }
  CHAINS(SUM)
  args->sums[task] = vsum(sum);
}

#ifdef __wasm__
__attribute__((export_name("multiply_adds")))
#endif
/* Runs `tasks` tasks over all threads; returns the floating-point operations of one. */
float multiply_adds(int32_t tasks) {
  peak_args args = {workspace((size_t)tasks * sizeof(float))};
  parallel_for(peak_task, &args, tasks);
  return PEAK_STEPS * 12.0f * VLEN * 2;
}
