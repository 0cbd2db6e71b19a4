/* addPosition: adds one embedding per position to every sample, and the gradient of the embedding. */
typedef struct {
  float *y;
  const float *x, *position;
  int32_t batch, per_sample, chunk;
} add_position_args;

static void add_position_task(void *ctx, int32_t b, int32_t thread) {
  (void)thread;
  const add_position_args *args = ctx;
  float *y = args->y + (size_t)b * args->per_sample;
  const float *x = args->x + (size_t)b * args->per_sample, *position = args->position;
  int32_t e = 0;
  for (; e + VLEN <= args->per_sample; e += VLEN) vstore(y + e, vadd(vload(x + e), vload(position + e)));
  for (; e < args->per_sample; e++) y[e] = x[e] + position[e];
}

void add_position(float *y, const float *x, const float *position, int32_t batch, int32_t tokens, int32_t dim) {
  add_position_args args = {y, x, position, batch, tokens * dim, 0};
  parallel_for(add_position_task, &args, batch);
}

/* Each task owns some elements of the gradient and adds the samples in order. */
static void add_position_grad_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const add_position_args *args = ctx;
  int32_t first = task * args->chunk, count = smaller(args->per_sample - first, args->chunk);
  for (int32_t b = 0; b < args->batch; b++) add_row(args->y + first, args->x + (size_t)b * args->per_sample + first, count);
}

void add_position_grad(float *d_position, const float *dy, int32_t batch, int32_t tokens, int32_t dim) {
  add_position_args args = {d_position, dy, 0, batch, tokens * dim, 1024};
  parallel_for(add_position_grad_task, &args, chunks_of(tokens * dim, args.chunk));
}
