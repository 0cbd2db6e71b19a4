/* tanhActivation: tanh x, and its gradient. */
typedef struct {
  float *y;
  const float *dy, *x;
  int32_t count;
} tanh_args;

/* tanh x, within 2 ulp: x + x³ p(x²) below 5/8, where 1 - e^(-2|x|) would cancel, and (1 - e) / (1 + e) with e = e^(-2|x|) beyond. */
INLINE vf tanh_vector(vf x) {
  static const float p[] = {-0.33333334327f, 0.13333295286f, -0.05393182114f, 0.02135816589f, -0.0065751997754f};
  vf magnitude = vabs(x), u = vmul(x, x), one = vset1(1.0f);
  vf small = vfma(vmul(x, u), vpoly(u, p, 4), x);
  vf e = vexp(vmul(magnitude, vset1(-2.0f))), large = vdiv(vsub(one, e), vadd(one, e));
  vu sign = vand(vbits(x), vset1_u32(0x80000000u));
  return vselect(vlt(magnitude, vset1(0.625f)), small, vfrom_bits(vor(vbits(large), sign)));
}

/* dy (1 - y²), as a product so that it doesn't cancel where y is near 1. */
INLINE vf tanh_grad_vector(vf dy, vf y) { return vmul(dy, vmul(vsub(vset1(1.0f), y), vadd(vset1(1.0f), y))); }

static void tanh_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const tanh_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  for (; i + VLEN <= end; i += VLEN) vstore(args->y + i, tanh_vector(vload(args->x + i)));
  if (i < end) vstore_part(args->y + i, tanh_vector(vload_part(args->x + i, end - i)), end - i);
}

static void tanh_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const tanh_args *args = ctx;
  int32_t i = task * ELEMENTS_PER_TASK, end = smaller(args->count, i + ELEMENTS_PER_TASK);
  for (; i + VLEN <= end; i += VLEN) vstore(args->y + i, tanh_grad_vector(vload(args->dy + i), vload(args->x + i)));
  if (i == end) return;
  int32_t n = end - i;
  vstore_part(args->y + i, tanh_grad_vector(vload_part(args->dy + i, n), vload_part(args->x + i, n)), n);
}

void tanh_activation(float *y, const float *x, int32_t count) {
  tanh_args args = {.y = y, .x = x, .count = count};
  parallel_for(tanh_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}

void tanh_activation_grad(float *dx, const float *dy, const float *y, int32_t count) {
  tanh_args args = {.y = dx, .dy = dy, .x = y, .count = count};
  parallel_for(tanh_grad_task, &args, chunks_of(count, ELEMENTS_PER_TASK));
}
