/* crossEntropy: of soft targets with the softmax of logits, with its gradient and the number of rows predicted right. */
typedef struct {
  float *d_logits;
  const float *logits, *targets;
  double *loss;     /* [tasks] */
  int32_t *correct; /* [tasks] */
  int32_t rows, classes, chunk;
  float normalizer;
} cross_entropy_args;

INLINE int32_t first_largest(const float *x, int32_t n) {
  int32_t best = 0;
  for (int32_t i = 1; i < n; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/* sum of exp(x - shift) */
NOINLINE float sum_of_exponentials(const float *x, int32_t n, float shift) {
  vf sum = vzero();
  float rest = 0;
  int32_t i = 0;
  for (; i + VLEN <= n; i += VLEN) sum = vadd(sum, vexp(vsub(vload(x + i), vset1(shift))));
  for (; i < n; i++) rest += exp1(x[i] - shift);
  return rest + vsum(sum);
}

/* d = (mass * exp(x - shift) - target) / normalizer */
NOINLINE void cross_entropy_grad_row(float *d, const float *x, const float *target, int32_t n, float shift, float mass, float normalizer) {
  int32_t i = 0;
  for (; i + VLEN <= n; i += VLEN) {
    vf probability = vexp(vsub(vload(x + i), vset1(shift)));
    vstore(d + i, vdiv(vsub(vmul(vset1(mass), probability), vload(target + i)), vset1(normalizer)));
  }
  for (; i < n; i++) d[i] = (mass * exp1(x[i] - shift) - target[i]) / normalizer;
}

static void cross_entropy_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const cross_entropy_args *args = ctx;
  int32_t n = args->classes, end = smaller(args->rows, (task + 1) * args->chunk), correct = 0;
  double loss = 0;
  for (int32_t r = task * args->chunk; r < end; r++) {
    const float *logits = args->logits + (size_t)r * n, *targets = args->targets + (size_t)r * n;
    int32_t best = first_largest(logits, n), wanted = first_largest(targets, n), empty = 1;
    float log_sum = log1(sum_of_exponentials(logits, n, logits[best]));
    double mass = 0;
    for (int32_t c = 0; c < n; c++) {
      if (targets[c] == 0) continue;
      loss += (double)targets[c] * ((double)log_sum - ((double)logits[c] - logits[best]));
      mass += targets[c];
      empty = 0;
    }
    correct += !empty && best == wanted;
    cross_entropy_grad_row(args->d_logits + (size_t)r * n, logits, targets, n, logits[best] + log_sum, (float)mass, args->normalizer);
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
