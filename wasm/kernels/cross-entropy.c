/* crossEntropy: of soft targets with the softmax of logits, with its gradient and the number of rows predicted right. */
typedef struct {
  float *d_logits;
  const float *logits, *targets;
  double *loss;     /* [tasks] */
  int32_t *correct; /* [tasks] */
  int32_t rows, classes, chunk;
  float normalizer;
} cross_entropy_args;

/* Where the largest element of a row comes first. */
NOINLINE int32_t first_largest(const float *x, int32_t n) {
  float value = -F32_INFINITY;
  int32_t i = 0;
  if (n >= VLEN) {
    vf largest = vset1(value), second = largest;
    for (; i + 2 * VLEN <= n; i += 2 * VLEN) largest = vmax(largest, vload(x + i)), second = vmax(second, vload(x + i + VLEN));
    if (i + VLEN <= n) largest = vmax(largest, vload(x + i));
    value = vlargest(vmax(vmax(largest, second), vload(x + n - VLEN)));
    for (i = 0; i + VLEN <= n && !vany(veq(vload(x + i), vset1(value)));) i += VLEN;
  } else {
    for (int32_t k = 0; k < n; k++) value = x[k] > value ? x[k] : value;
  }
  for (; i < n; i++)
    if (x[i] == value) return i;
  return 0;
}

typedef struct {
  float exponentials, mass, product; /* sums of exp(x - largest), target and target * (x - largest) */
} row_sums;

/* Leaves the exponentials in e. */
NOINLINE row_sums cross_entropy_sums(float *e, const float *x, const float *target, int32_t n, float largest) {
  vf exponentials = vzero(), mass = vzero(), product = vzero();
  for (int32_t i = 0; i < n; i += VLEN) {
    /* Of the next row: the processor looks ahead no further than a page. */
    __builtin_prefetch(x + n + i);
    __builtin_prefetch(target + n + i);
    vf d = vsub(vload_upto(x + i, n - i), vset1(largest)), t = vload_upto(target + i, n - i), exponential = vexp_negative(d);
    vstore_upto(e + i, exponential, n - i);
    exponentials = vadd(exponentials, n - i >= VLEN ? exponential : vload_part(e + i, n - i));
    mass = vadd(mass, t);
    /* A class that isn't wanted counts for nothing even where its logit is -infinity. */
    product = vadd(product, vselect(veq(t, vzero()), vzero(), vmul(t, d)));
  }
  return (row_sums){vsum(exponentials), vsum(mass), vsum(product)};
}

/* d = (share * d - target) / normalizer, d being exponentials, and share the mass of the targets over their sum. */
NOINLINE void cross_entropy_grad_row(float *d, const float *target, int32_t n, float share, float normalizer) {
  vf exponential_factor = vset1(share / normalizer), target_factor = vset1(1.0f / normalizer);
  for (int32_t i = 0; i < n; i += VLEN) {
    vf target_part = vmul(target_factor, vload_upto(target + i, n - i));
    vstore_upto(d + i, vsub(vmul(exponential_factor, vload_upto(d + i, n - i)), target_part), n - i);
  }
}

static void cross_entropy_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const cross_entropy_args *args = ctx;
  int32_t n = args->classes, end = smaller(args->rows, (task + 1) * args->chunk), correct = 0;
  double loss = 0;
  for (int32_t r = task * args->chunk; r < end; r++) {
    const float *logits = args->logits + (size_t)r * n, *targets = args->targets + (size_t)r * n;
    float *d_logits = args->d_logits + (size_t)r * n;
    int32_t best = first_largest(logits, n), wanted = first_largest(targets, n);
    row_sums sums = cross_entropy_sums(d_logits, logits, targets, n, logits[best]);
    loss += (double)sums.mass * log1(sums.exponentials) - sums.product;
    correct += best == wanted && targets[wanted] > 0;
    cross_entropy_grad_row(d_logits, targets, n, sums.mass / sums.exponentials, args->normalizer);
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
