/*
 * ctc: connectionist temporal classification, loss and gradient. Likelihoods of paths are kept as a mantissa and an exponent of two, which
 * hold any product of probabilities: sums and products need neither exp nor log, and round like doubles however long the sequence is.
 */
typedef struct {
  double m; /* in [1, 2), 0 or NaN */
  int32_t e;
} wide;
typedef struct {
  float m;
  int32_t e;
} wide_stored;

/* The exponent of 0: below all others, half the range of the type, so that differences of two fit. */
#define WIDE_NOTHING (-(1 << 30))
#define WIDE_ZERO ((wide){0, WIDE_NOTHING})
/* Exponents of frames are held within this in sum. */
#define WIDE_RANGE (1 << 29)
#define LN2 0.693147180559945309417

/* 2^k for k <= 1023; 0 below the normal doubles. */
INLINE double power_of_two(int32_t k) {
  uint64_t bits = k < -1022 ? 0 : (uint64_t)(k + 1023) << 52;
  double power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return power;
}

/* m * 2^e with m >= 1, or 0 or NaN */
INLINE wide wide_from(double m, int32_t e) {
  if (!(m > 0)) return (wide){m, WIDE_NOTHING};
  uint64_t bits;
  __builtin_memcpy(&bits, &m, sizeof bits);
  e += (int32_t)(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 1023ull << 52;
  __builtin_memcpy(&m, &bits, sizeof m);
  return (wide){m, e};
}

/* e^x for x <= 0, within 1e-11; floored at 2^lowest, but 0 for -infinity. */
INLINE wide wide_exp(double x, int32_t lowest) {
  static const double q[] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880};
  if (x != x) return (wide){x, WIDE_NOTHING};
  if (x < lowest * LN2) return x < -1e300 ? WIDE_ZERO : (wide){1.0, lowest};
  int32_t n = (int32_t)(x * (1 / LN2) - 0.5);
  double r = x - n * LN2, y = q[9];
  for (int i = 8; i >= 0; i--) y = y * r + q[i];
  return y < 1.0 ? (wide){2 * y, n - 1} : (wide){y, n};
}

/* ln x, within 1e-13. */
static double wide_log(wide x) {
  if (x.m > 1.41421356) x = (wide){x.m / 2, x.e + 1};
  double s = (x.m - 1) / (x.m + 1), s2 = s * s, y = 0;
  for (int i = 15; i >= 1; i -= 2) y = y * s2 + 1.0 / i;
  return x.e * LN2 + 2 * s * y;
}

typedef struct {
  float *d_logits;
  const float *logits;
  const int32_t *targets, *target_lengths, *frame_lengths;
  double *loss;      /* [batch] */
  int32_t *infinite; /* [batch] */
  char *scratch;     /* [threads][scratch_bytes] */
  size_t scratch_bytes;
  int32_t time, classes, max_target, blank;
  float normalizer;
} ctc_args;

/* A sample: its states are the labels with a blank before, between and after them. */
typedef struct {
  const float *logits;
  int32_t frames, classes, states, lowest;
  wide_stored *alpha;      /* [time][states]: of all beginnings that are in a state at a frame, its emission included */
  wide *rows[2];           /* [2 + states] each, the first two always 0: a frame and the one before */
  wide *p;                 /* [classes]: of one frame, e^(logit - largest) */
  double *occupancy;       /* [classes] */
  int32_t *classes_of[2];  /* [states]: the class of each state, forward and backward */
  int32_t *skips[2];       /* [states]: whether a path may leave out the state before */
} ctc_sample;

static size_t ctc_scratch_bytes(int32_t time, int32_t classes, int32_t states) {
  size_t n = (size_t)states, per_state = 2 * sizeof(wide) + (size_t)time * sizeof(wide_stored) + 4 * sizeof(int32_t);
  return (n * per_state + 4 * sizeof(wide) + (size_t)classes * (sizeof(wide) + sizeof(double)) + 63) / 64 * 64;
}

static void ctc_layout(ctc_sample *sample, char *at, int32_t time) {
  size_t n = (size_t)sample->states, classes = (size_t)sample->classes;
  for (int i = 0; i < 2; i++) sample->rows[i] = (wide *)at + 2, at += (n + 2) * sizeof(wide);
  sample->p = (wide *)at, at += classes * sizeof(wide);
  sample->occupancy = (double *)at, at += classes * sizeof(double);
  sample->alpha = (wide_stored *)at, at += (size_t)time * n * sizeof(wide_stored);
  for (int i = 0; i < 2; i++) {
    sample->classes_of[i] = (int32_t *)at, at += n * sizeof(int32_t);
    sample->skips[i] = (int32_t *)at, at += n * sizeof(int32_t);
  }
}

/* Fills p for a frame and returns the sum over classes. */
NOINLINE double ctc_frame(const ctc_sample *sample, int32_t t) {
  const float *x = sample->logits + (size_t)t * sample->classes;
  float largest = x[0];
  double sum = 0;
  for (int32_t c = 1; c < sample->classes; c++) largest = x[c] > largest ? x[c] : largest;
  for (int32_t c = 0; c < sample->classes; c++) {
    wide p = wide_exp((double)x[c] - largest, sample->lowest);
    sample->p[c] = p;
    sum += p.m * power_of_two(p.e);
  }
  return sum;
}

static void ctc_start(wide *row, int32_t states) {
  for (int32_t s = -2; s < states; s++) row[s] = WIDE_ZERO;
  row[-1] = (wide){1.0, 0}; /* from which the first frame reaches states 0 and 1 */
}

/* One frame further: next[s] = p[class of s] * (row[s] + row[s - 1] + (may skip ? row[s - 2] : 0)) */
NOINLINE void ctc_advance(wide *next, const wide *row, const wide *p, const int32_t *classes_of, const int32_t *skips, int32_t states) {
  next[-2] = next[-1] = WIDE_ZERO;
  for (int32_t s = 0; s < states; s++) {
    wide a = row[s], b = row[s - 1], c = skips[s] ? row[s - 2] : WIDE_ZERO, q = p[classes_of[s]];
    int32_t e = larger(larger(a.e, b.e), c.e);
    double sum = a.m * power_of_two(a.e - e) + b.m * power_of_two(b.e - e) + c.m * power_of_two(c.e - e);
    next[s] = wide_from(sum * q.m, e + q.e);
  }
}

/* Per class, the probability that a path through the target emits it at frame t; `ending` is the row of the backward pass. */
NOINLINE void ctc_occupancy(const ctc_sample *sample, int32_t t, const wide *ending, wide likelihood) {
  const wide_stored *alpha = sample->alpha + (size_t)t * sample->states;
  for (int32_t c = 0; c < sample->classes; c++) sample->occupancy[c] = 0;
  for (int32_t s = 0; s < sample->states; s++) {
    wide_stored a = alpha[s];
    wide b = ending[sample->states - 1 - s];
    if (a.m == 0 || b.m == 0) continue;
    int32_t c = sample->classes_of[0][s];
    int64_t e = (int64_t)a.e + b.e - sample->p[c].e - likelihood.e; /* the emission is in both a and b */
    sample->occupancy[c] += a.m * b.m * power_of_two(e < -1023 ? -1023 : e > 1023 ? 1023 : (int32_t)e);
  }
  for (int32_t c = 0; c < sample->classes; c++)
    if (sample->occupancy[c] != 0) sample->occupancy[c] /= sample->p[c].m * likelihood.m;
}

static void ctc_states(ctc_sample *sample, const int32_t *target, int32_t blank) {
  int32_t n = sample->states;
  for (int32_t s = 0; s < n; s++) {
    sample->classes_of[0][s] = s % 2 ? target[s / 2] : blank;
    sample->classes_of[1][n - 1 - s] = sample->classes_of[0][s];
  }
  for (int i = 0; i < 2; i++) {
    const int32_t *of = sample->classes_of[i];
    /* State 1 may begin a path, which ctc_advance sees as leaving out state 0. */
    for (int32_t s = 0; s < n; s++) sample->skips[i][s] = s == 1 || (s > 1 && of[s] != blank && of[s] != of[s - 2]);
  }
}

static void ctc_task(void *ctx, int32_t b, int32_t thread) {
  const ctc_args *args = ctx;
  int32_t classes = args->classes, frames = args->frame_lengths ? args->frame_lengths[b] : args->time, length = args->target_lengths[b];
  size_t at = (size_t)b * args->time * classes;
  float *d_logits = args->d_logits + at;
  ctc_sample sample = {.logits = args->logits + at, .frames = smaller(larger(frames, 0), args->time), .classes = classes};
  sample.states = 2 * smaller(larger(length, 0), args->max_target) + 1;
  sample.lowest = -(WIDE_RANGE / larger(sample.frames, 1));
  ctc_layout(&sample, args->scratch + (size_t)thread * args->scratch_bytes, args->time);
  ctc_states(&sample, args->targets + (size_t)b * args->max_target, args->blank);

  wide *row = sample.rows[0], *next = sample.rows[1];
  double loss = 0;
  ctc_start(row, sample.states);
  for (int32_t t = 0; t < sample.frames; t++) {
    loss += wide_log(wide_from(ctc_frame(&sample, t), 0));
    ctc_advance(next, row, sample.p, sample.classes_of[0], sample.skips[0], sample.states);
    wide_stored *alpha = sample.alpha + (size_t)t * sample.states;
    for (int32_t s = 0; s < sample.states; s++) alpha[s] = (wide_stored){(float)next[s].m, next[s].e};
    wide *swap = row;
    row = next, next = swap;
  }
  wide u = row[sample.states - 1], v = row[sample.states - 2];
  int32_t e = larger(u.e, v.e);
  wide likelihood = wide_from(u.m * power_of_two(u.e - e) + v.m * power_of_two(v.e - e), e);
  args->infinite[b] = likelihood.m == 0;
  args->loss[b] = args->infinite[b] ? 0 : loss - wide_log(likelihood);

  int32_t end = args->infinite[b] ? 0 : sample.frames;
  for (int32_t t = end; t < args->time; t++) zero_row(d_logits + (size_t)t * classes, classes);
  ctc_start(row, sample.states);
  for (int32_t t = end - 1; t >= 0; t--) {
    double sum = ctc_frame(&sample, t);
    ctc_advance(next, row, sample.p, sample.classes_of[1], sample.skips[1], sample.states);
    ctc_occupancy(&sample, t, next, likelihood);
    for (int32_t c = 0; c < classes; c++) {
      double softmax = sample.p[c].m * power_of_two(sample.p[c].e) / sum;
      d_logits[(size_t)t * classes + c] = (float)((softmax - sample.occupancy[c]) / args->normalizer);
    }
    wide *swap = row;
    row = next, next = swap;
  }
}

void ctc(float *stats, float *d_logits, const float *logits, const int32_t *targets, const int32_t *target_lengths,
         const int32_t *frame_lengths, const float *normalizer, int32_t batch, int32_t time, int32_t classes, int32_t max_target,
         int32_t blank) {
  size_t scratch_bytes = ctc_scratch_bytes(time, classes, 2 * max_target + 1);
  size_t head = ((size_t)batch * (sizeof(double) + sizeof(int32_t)) + 63) / 64 * 64;
  double *losses = workspace(head + (size_t)thread_count() * scratch_bytes), loss = 0;
  int32_t *infinite = (int32_t *)(losses + batch), count = 0;
  ctc_args args = {d_logits, logits, targets, target_lengths, frame_lengths, losses, infinite, (char *)losses + head, scratch_bytes,
                   time, classes, max_target, blank, normalizer[0]};
  parallel_for(ctc_task, &args, batch);
  for (int32_t b = 0; b < batch; b++) {
    loss += losses[b];
    count += infinite[b];
  }
  stats[0] = (float)(loss / normalizer[0]);
  stats[1] = (float)count;
}
