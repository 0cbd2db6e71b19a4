/* gelu: x · Φ(x), and its gradient. */
typedef struct {
  float *y;
  const float *dy, *x;
  int32_t count;
} gelu_args;

/* Φ(x) = (1 + erf(x / sqrt 2)) / 2. */
INLINE vf normal_cdf(vf x) { return vfma(verf(vmul(x, vset1(0.70710678f))), vset1(0.5f), vset1(0.5f)); }

INLINE vf gelu_vector(vf x) { return vmul(x, normal_cdf(x)); }

INLINE vf gelu_grad_vector(vf dy, vf x) {
  vf density = vmul(vexp(vmul(vmul(x, x), vset1(-0.5f))), vset1(0.39894228f));
  return vmul(dy, vfma(x, density, normal_cdf(x)));
}

static void gelu_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const gelu_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  for (; i + VLEN <= end; i += VLEN) vstore(args->y + i, gelu_vector(vload(args->x + i)));
  if (i < end) vstore_part(args->y + i, gelu_vector(vload_part(args->x + i, end - i)), end - i);
}

static void gelu_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const gelu_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  for (; i + VLEN <= end; i += VLEN) vstore(args->y + i, gelu_grad_vector(vload(args->dy + i), vload(args->x + i)));
  if (i == end) return;
  int32_t n = end - i;
  vstore_part(args->y + i, gelu_grad_vector(vload_part(args->dy + i, n), vload_part(args->x + i, n)), n);
}

void gelu(float *y, const float *x, int32_t count) {
  gelu_args args = {.y = y, .x = x, .count = count};
  parallel_for(gelu_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}

void gelu_grad(float *dx, const float *dy, const float *x, int32_t count) {
  gelu_args args = {.y = dx, .dy = dy, .x = x, .count = count};
  parallel_for(gelu_grad_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
