/* gelu: x · Φ(x), and its gradient. */
typedef struct {
  float *y;
  const float *dy, *x;
  int32_t count;
} gelu_args;

/* 1/2 + x p(x²) / q(x²), constant from limit on: the factor in both functions below, which replace what it is below -limit. */
INLINE vf half_plus_odd(vf x, float limit, const float *p, const float *q) {
  x = vmin(x, vset1(limit));
  vf u = vmul(x, x);
  return vadd(vdiv(vmul(x, vpoly(u, p, 5)), vpoly(u, q, 5)), vset1(0.5f));
}

/* x · Φ(x), the error of Φ below 2e-7; 0 below -5.3. */
INLINE vf gelu_vector(vf x) {
  static const float p[] = {0.398942254077f, 0.0329358440537f, 0.00462799772791f, 0.000160335220697f, 6.37907399725e-6f, 2.40502875808e-8f};
  static const float q[] = {1.0f, 0.249224146822f, 0.0281388601236f, 0.00183657548817f, 7.1352598085e-5f, 1.23716891288e-6f};
  return vdrop_below(x, -5.3f, vmul(x, half_plus_odd(x, 5.3f, p, q)));
}

/* dy · (Φ(x) + x φ(x)), the error of the sum below 4e-7; 0 below -5.6. */
INLINE vf gelu_grad_vector(vf dy, vf x) {
  static const float p[] = {0.797885345403f, -0.0309753621588f, 0.0142260687908f, 1.97512309371e-5f, 3.589928998195e-5f, 1.92167312838e-7f};
  static const float q[] = {1.0f, 0.294519573753f, 0.04098374001637f, 0.003522637398274f, 0.00019205179021f, 8.92817187859e-6f};
  return vdrop_below(x, -5.6f, vmul(dy, half_plus_odd(x, 5.6f, p, q)));
}

/* y may be x. */
NOINLINE void gelu_row(float *y, const float *x, int32_t count) {
  int32_t i = 0;
  for (; i + VLEN <= count; i += VLEN) {
    __builtin_prefetch(y + i + STORE_AHEAD, 1);
    vstore(y + i, gelu_vector(vload(x + i)));
  }
  if (i < count) vstore_part(y + i, gelu_vector(vload_part(x + i, count - i)), count - i);
}

/* dx may be dy or x. */
NOINLINE void gelu_grad_row(float *dx, const float *dy, const float *x, int32_t count) {
  int32_t i = 0;
  for (; i + VLEN <= count; i += VLEN) vstore(dx + i, gelu_grad_vector(vload(dy + i), vload(x + i)));
  if (i == count) return;
  int32_t n = count - i;
  vstore_part(dx + i, gelu_grad_vector(vload_part(dy + i, n), vload_part(x + i, n)), n);
}

static void gelu_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const gelu_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK;
  gelu_row(args->y + i, args->x + i, smaller(ELEMENTS_PER_TASK, args->count - i));
}

static void gelu_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const gelu_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK;
  gelu_grad_row(args->y + i, args->dy + i, args->x + i, smaller(ELEMENTS_PER_TASK, args->count - i));
}

void gelu(float *y, const float *x, int32_t count) {
  gelu_args args = {.y = y, .x = x, .count = count};
  parallel_for(gelu_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}

void gelu_grad(float *dx, const float *dy, const float *x, int32_t count) {
  gelu_args args = {.y = dx, .dy = dy, .x = x, .count = count};
  parallel_for(gelu_grad_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
