/* regression: squared or smooth-L1 loss over the indexed rows, its gradient, and the deviation of prediction and target, in one pass. */
#define VARIANCE_EPSILON 1e-6f

typedef struct {
  float *d_prediction;
  const float *prediction, *target;
  const int32_t *index;
  float *moments; /* [tasks][4][dim]: sums of prediction, its square, target, its square, about the first row in use */
  double *loss;   /* [tasks] */
  int32_t rows, dim, chunk, origin;
  float beta, factor;
} regression_args;

/* Adds x and x² to two rows of sums. */
INLINE void add_moments(float *sums, int32_t dim, int32_t c, vf x) {
  vstore(sums + c, vadd(vload(sums + c), x));
  vstore(sums + dim + c, vfma(x, x, vload(sums + dim + c)));
}

/* One row: its gradient, what it adds to the moments, and its loss. */
NOINLINE float regression_row(const regression_args *args, float *moments, int32_t row) {
  int32_t dim = args->dim;
  size_t at = (size_t)row * dim, origin = (size_t)args->origin * dim;
  const float *p = args->prediction + at, *t = args->target + at, *p0 = args->prediction + origin, *t0 = args->target + origin;
  float *d = args->d_prediction + at, beta = args->beta, curvature = beta == 0 ? 2.0f : 1.0f / beta, loss = 0;
  vf losses = vzero(), bend = vset1(beta), half = vset1(0.5f), curve = vset1(curvature), factor = vset1(args->factor);
  vu bends = vxor(veq(bend, vzero()), vset1_u32(0xffffffffu)), sign_bit = vset1_u32(0x80000000u);
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) {
    vf prediction = vload(p + c), target = vload(t + c), z = vsub(prediction, target), size = vabs(z);
    vu bent = vand(bends, vle(bend, size)); /* not for NaN, which then goes on into the gradient */
    vf curved = vmul(curve, z), sign = vfrom_bits(vor(vand(vbits(z), sign_bit), vbits(vset1(1.0f))));
    losses = vadd(losses, vselect(bent, vsub(size, vmul(half, bend)), vmul(half, vmul(curved, z))));
    __builtin_prefetch(d + c + STORE_AHEAD, 1);
    vstore(d + c, vmul(factor, vselect(bent, sign, curved)));
    add_moments(moments, dim, c, vsub(prediction, vload(p0 + c)));
    add_moments(moments + 2 * dim, dim, c, vsub(target, vload(t0 + c)));
  }
  for (; c < dim; c++) {
    float z = p[c] - t[c], size = z < 0 ? -z : z, a = p[c] - p0[c], b = t[c] - t0[c];
    int quadratic = beta == 0 || size < beta;
    loss += quadratic ? 0.5f * curvature * z * z : size - 0.5f * beta;
    d[c] = args->factor * (quadratic ? curvature * z : z < 0 ? -1.0f : z > 0 ? 1.0f : z);
    moments[c] += a, moments[dim + c] += a * a;
    moments[2 * dim + c] += b, moments[3 * dim + c] += b * b;
  }
  return loss + vsum(losses);
}

static void regression_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const regression_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  float *moments = args->moments + (size_t)task * 4 * dim;
  double loss = 0;
  zero_row(moments, 4 * dim);
  for (int32_t r = task * args->chunk; r < end; r++) {
    if (args->index[r] >= 0) loss += regression_row(args, moments, r);
    else zero_row(args->d_prediction + (size_t)r * dim, dim);
  }
  args->loss[task] = loss;
}

/* The mean over channels of sqrt(unbiased variance + 1e-6), from sums and sums of squares of `count` rows; sums: 2 * dim for scratch. */
static float mean_deviation(double *sums, const float *moments, int32_t tasks, int32_t dim, int32_t count) {
  if (count < 2) return 0;
  for (int32_t i = 0; i < 2 * dim; i++) sums[i] = 0;
  for (int32_t task = 0; task < tasks; task++, moments += 4 * (size_t)dim)
    for (int32_t i = 0; i < 2 * dim; i++) sums[i] += moments[i];
  double total = 0;
  for (int32_t c = 0; c < dim; c++) {
    double variance = (sums[dim + c] - sums[c] * sums[c] / count) / (count - 1);
    total += __builtin_sqrt((variance > 0 ? variance : variance < 0 ? 0 : variance) + VARIANCE_EPSILON);
  }
  return (float)(total / dim);
}

void regression(float *stats, float *d_prediction, const float *prediction, const float *target, const int32_t *index,
                const float *normalizer, int32_t rows, int32_t dim, float beta, float scale) {
  int32_t count = 0, origin = 0, chunk = rows_per_task(rows, dim), tasks = chunks_of(rows, chunk);
  for (int32_t r = rows - 1; r >= 0; r--)
    if (index[r] >= 0) count++, origin = r;
  /* The moments first: where dim is a multiple of VLEN, none of their vectors crosses a cache line. */
  size_t count_of_moments = 4 * (size_t)tasks * (size_t)dim;
  float *moments = workspace(count_of_moments * sizeof(float) + (2 * (size_t)dim + (size_t)tasks) * sizeof(double));
  double *sums = (double *)(moments + count_of_moments), *loss = sums + 2 * dim;
  float factor = scale / normalizer[0];
  regression_args args = {d_prediction, prediction, target, index, moments, loss, rows, dim, chunk, origin, beta, factor};
  parallel_for(regression_task, &args, tasks);
  double total = 0;
  for (int32_t task = 0; task < tasks; task++) total += loss[task];
  stats[0] = (float)(factor * total);
  stats[1] = mean_deviation(sums, moments, tasks, dim, count);
  stats[2] = mean_deviation(sums, moments + 2 * dim, tasks, dim, count);
  stats[3] = (float)count;
}
