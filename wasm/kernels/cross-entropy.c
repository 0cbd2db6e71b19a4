/* crossEntropy: of soft targets with the softmax of logits, with its gradient and the number of rows predicted right. */
typedef struct {
  float *d_logits;
  const float *logits, *targets;
  double *loss;     /* [tasks] */
  int32_t *correct; /* [tasks] */
  int32_t rows, classes, chunk;
  float normalizer;
} cross_entropy_args;

/* Up to VLEN floats, with `fill` in the lanes beyond n. */
INLINE vf load_some(const float *p, int32_t n, float fill) {
  if (n >= VLEN) return vload(p);
  float lanes[VLEN];
  for (int32_t i = 0; i < VLEN; i++) lanes[i] = i < n ? p[i] : fill;
  return vload(lanes);
}

/* Where the largest element of a row comes first. */
NOINLINE int32_t first_largest(const float *x, int32_t n) {
  vf largest = vset1(-F32_INFINITY);
  for (int32_t i = 0; i < n; i += VLEN) largest = vmax(largest, load_some(x + i, n - i, -F32_INFINITY));
  float value = vlargest(largest);
  for (int32_t i = 0; i < n; i++)
    if (x[i] == value) return i;
  return 0;
}

typedef struct {
  float exponentials, mass, product; /* sums of exp(x - largest), target and target * (x - largest) */
} row_sums;

NOINLINE row_sums cross_entropy_sums(const float *x, const float *target, int32_t n, float largest) {
  vf exponentials = vzero(), mass = vzero(), product = vzero();
  for (int32_t i = 0; i < n; i += VLEN) {
    vf d = vsub(load_some(x + i, n - i, -F32_INFINITY), vset1(largest)), t = load_some(target + i, n - i, 0);
    exponentials = vadd(exponentials, vexp_negative(d));
    mass = vadd(mass, t);
    /* A class that isn't wanted counts for nothing even where its logit is -infinity. */
    product = vadd(product, vselect(veq(t, vzero()), vzero(), vmul(t, d)));
  }
  return (row_sums){vsum(exponentials), vsum(mass), vsum(product)};
}

/* d = (mass * exp(x - shift) - target) / normalizer */
NOINLINE void cross_entropy_grad_row(float *d, const float *x, const float *target, int32_t n, float shift, float mass, float normalizer) {
  for (int32_t i = 0; i < n; i += VLEN) {
    vf probability = vexp_negative(vsub(load_some(x + i, n - i, 0), vset1(shift)));
    vf gradient = vdiv(vsub(vmul(vset1(mass), probability), load_some(target + i, n - i, 0)), vset1(normalizer));
    if (n - i >= VLEN) vstore(d + i, gradient);
    else vstore_part(d + i, gradient, n - i);
  }
}

static void cross_entropy_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const cross_entropy_args *args = ctx;
  int32_t n = args->classes, end = smaller(args->rows, (task + 1) * args->chunk), correct = 0;
  double loss = 0;
  for (int32_t r = task * args->chunk; r < end; r++) {
    const float *logits = args->logits + (size_t)r * n, *targets = args->targets + (size_t)r * n;
    int32_t best = first_largest(logits, n), wanted = first_largest(targets, n);
    row_sums sums = cross_entropy_sums(logits, targets, n, logits[best]);
    float log_sum = log1(sums.exponentials);
    loss += (double)sums.mass * log_sum - sums.product;
    correct += best == wanted && targets[wanted] > 0;
    cross_entropy_grad_row(args->d_logits + (size_t)r * n, logits, targets, n, logits[best] + log_sum, sums.mass, args->normalizer);
  }
  args->loss[task] = loss;
  args->correct[task] = correct;
}

void cross_entropy(float *stats, float *d_logits, const float *logits, const float *targets, const float *normalizer, int32_t rows,
                   int32_t classes) {
  int32_t chunk = rows_per_task(rows, classes), tasks = chunks_of(rows, chunk), correct = 0;
  double *losses = workspace((size_t)tasks * (sizeof(double) + sizeof(int32_t))), loss = 0;
  cross_entropy_args args = {d_logits, logits, targets, losses, (int32_t *)(losses + tasks), rows, classes, chunk, normalizer[0]};
  parallel_for(cross_entropy_task, &args, tasks);
  for (int32_t task = 0; task < tasks; task++) {
    loss += losses[task];
    correct += args.correct[task];
  }
  stats[0] = (float)(loss / normalizer[0]);
  stats[1] = (float)correct;
}
