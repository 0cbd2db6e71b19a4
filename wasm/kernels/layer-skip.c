/* layerSkip: takes each sample from a layer's output or, when the layer is dropped for it, from the layer's input; and its gradient. */
typedef struct {
  float *kept, *dropped; /* the output twice, or the gradients of both inputs */
  const float *x, *r;    /* r: absent in the gradient */
  const uint32_t *rng;
  int32_t per_sample, pieces; /* a sample is cut into `pieces` of ELEMENTS_PER_TASK */
  float probability;
  uint32_t purpose;
} layer_skip_args;

static void layer_skip_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const layer_skip_args *args = ctx;
  int32_t sample = task / args->pieces, first = task % args->pieces * ELEMENTS_PER_TASK;
  int32_t n = smaller(args->per_sample - first, ELEMENTS_PER_TASK);
  size_t at = (size_t)sample * (size_t)args->per_sample + (size_t)first;
  int keep = sample_keep(args->rng, (uint32_t)sample, args->probability, args->purpose) != 0;
  if (args->r) {
    copy_row(args->kept + at, (keep ? args->x : args->r) + at, n);
    return;
  }
  float *passed = keep ? args->kept : args->dropped, *cleared = keep ? args->dropped : args->kept;
  if (passed) copy_row(passed + at, args->x + at, n);
  if (cleared) zero_row(cleared + at, n);
}

void layer_skip(float *y, const float *x, const float *r, const uint32_t *rng, int32_t samples, int32_t per_sample, float probability,
                int32_t purpose) {
  layer_skip_args args = {y, y, x, r, rng, per_sample, chunks_of(per_sample, ELEMENTS_PER_TASK), probability, (uint32_t)purpose};
  parallel_for(layer_skip_task, &args, samples * args.pieces);
}

void layer_skip_grad(float *dx, float *dr, const float *dy, const uint32_t *rng, int32_t samples, int32_t per_sample, float probability,
                     int32_t purpose) {
  layer_skip_args args = {dx, dr, dy, 0, rng, per_sample, chunks_of(per_sample, ELEMENTS_PER_TASK), probability, (uint32_t)purpose};
  parallel_for(layer_skip_task, &args, samples * args.pieces);
}
