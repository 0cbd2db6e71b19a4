/* averageLayer: adds one normalised teacher layer to the target. */
#define NORMALIZE_ROWS 1
#define NORMALIZE_CHANNELS 2
#define CHANNEL_VECTORS 4 /* vectors of channels that are normalised over the tokens together: a few cache lines of each token */

typedef struct {
  float *target;
  const float *x;
  int32_t batch, tokens, dim, first, chunk, accumulate;
  float scale, eps;
} average_layer_args;

/* target = (accumulate ? target : 0) + (x - mean) * factor over a row, one mean and factor for all of it. */
NOINLINE void average_row(float *target, const float *x, int32_t dim, float mean, float factor, int32_t accumulate) {
  vf m = vset1(mean), f = vset1(factor);
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) {
    vf before = accumulate ? vload(target + c) : vzero();
    vstore(target + c, vfma(vsub(vload(x + c), m), f, before));
  }
  for (; c < dim; c++) target[c] = (accumulate ? target[c] : 0) + (x[c] - mean) * factor;
}

static void average_rows(const average_layer_args *args, int32_t task, int32_t normalize) {
  int32_t dim = args->dim, end = smaller(args->batch * args->tokens, (task + 1) * args->chunk);
  for (int32_t r = task * args->chunk; r < end; r++) {
    float *target = args->target + (size_t)r * dim, mean = 0, rstd = 1;
    const float *x = args->x + (size_t)r * dim;
    if (r % args->tokens < args->first) {
      if (!args->accumulate) zero_row(target, dim);
      continue;
    }
    if (normalize) row_statistics(x, dim, args->eps, &mean, &rstd);
    average_row(target, x, dim, mean, args->scale * rstd, args->accumulate);
  }
}

static void average_plain(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  average_rows(ctx, task, 0);
}
static void average_layer_norm(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  average_rows(ctx, task, 1);
}

/* `vectors` vectors of channels of one sample, over its tokens from `first` on; `lanes` < VLEN only of one. */
INLINE void average_channels(float *target, const float *x, const average_layer_args *args, const int vectors, int32_t lanes) {
  int32_t tokens = args->tokens - args->first, dim = args->dim;
  vf mean[CHANNEL_VECTORS], factor[CHANNEL_VECTORS], sum[CHANNEL_VECTORS], squares[CHANNEL_VECTORS];
#define EACH_VECTOR _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++)
#define LOAD(p) vload_upto((p) + v * VLEN, lanes)
  EACH_VECTOR sum[v] = squares[v] = vzero();
  for (int32_t t = 0; t < tokens; t++) {
    const float *row = x + (size_t)t * dim;
    EACH_VECTOR sum[v] = vadd(sum[v], vsub(LOAD(row), LOAD(x)));
  }
  EACH_VECTOR mean[v] = vadd(LOAD(x), vdiv(sum[v], vset1((float)tokens)));
  for (int32_t t = 0; t < tokens; t++) {
    const float *row = x + (size_t)t * dim;
    EACH_VECTOR {
      vf d = vsub(LOAD(row), mean[v]);
      squares[v] = vfma(d, d, squares[v]);
    }
  }
  EACH_VECTOR {
    vf variance = vdiv(squares[v], vset1((float)tokens));
    factor[v] = vdiv(vset1(args->scale), vsqrt(vadd(variance, vset1(args->eps))));
  }
  for (int32_t t = 0; t < tokens; t++) {
    const float *row = x + (size_t)t * dim;
    float *to = target + (size_t)t * dim;
    EACH_VECTOR {
      vf y = vfma(vsub(LOAD(row), mean[v]), factor[v], args->accumulate ? LOAD(to) : vzero());
      vstore_upto(to + v * VLEN, y, lanes);
    }
  }
#undef EACH_VECTOR
#undef LOAD
}
NOINLINE void average_channel_group(float *target, const float *x, const average_layer_args *args) {
  average_channels(target, x, args, CHANNEL_VECTORS, VLEN);
}
NOINLINE void average_channel_rest(float *target, const float *x, const average_layer_args *args, int32_t lanes) {
  average_channels(target, x, args, 1, lanes);
}

static void average_instance_norm(void *ctx, int32_t b, int32_t thread) {
  (void)thread;
  const average_layer_args *args = ctx;
  size_t start = (size_t)b * args->tokens * args->dim, used = start + (size_t)args->first * args->dim;
  if (!args->accumulate) zero_row(args->target + start, args->first * args->dim);
  if (args->first >= args->tokens) return;
  int32_t c = 0;
  for (; c + CHANNEL_VECTORS * VLEN <= args->dim; c += CHANNEL_VECTORS * VLEN)
    average_channel_group(args->target + used + c, args->x + used + c, args);
  for (; c < args->dim; c += VLEN) average_channel_rest(args->target + used + c, args->x + used + c, args, smaller(VLEN, args->dim - c));
}

void average_layer(float *target, const float *x, int32_t batch, int32_t tokens, int32_t dim, int32_t first, int32_t normalization,
                   float scale, float eps, int32_t accumulate) {
  int32_t rows = batch * tokens;
  average_layer_args args = {target, x, batch, tokens, dim, first, rows_per_task(rows, dim), accumulate, scale, eps};
  if (normalization == NORMALIZE_CHANNELS) parallel_for(average_instance_norm, &args, batch);
  else parallel_for(normalization == NORMALIZE_ROWS ? average_layer_norm : average_plain, &args, chunks_of(rows, args.chunk));
}
