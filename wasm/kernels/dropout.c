/* dropout: keep ? x / (1 - probability) : 0, which is its own backward. */
#define DROPOUT_BLOCK 256 /* elements whose random bits are drawn at once */

typedef struct {
  float *y;
  const float *x;
  const uint32_t *rng;
  int32_t samples, per_sample, step, steps; /* a sample is cut into `steps` pieces of `step`, a multiple of 4 */
  float probability;
  uint32_t purpose;
} dropout_args;

/* At most DROPOUT_BLOCK elements of one sample, from `element`, a multiple of 4. */
NOINLINE void dropout_block(const dropout_args *args, int32_t sample, int32_t element, int32_t count) {
  uint32_t bits[DROPOUT_BLOCK];
  philox_bits(bits, args->rng, (uint32_t)sample, args->purpose, (uint32_t)element / 4, chunks_of(count, 4));
  size_t at = (size_t)sample * (size_t)args->per_sample + (size_t)element;
  const float *x = args->x + at;
  float *y = args->y + at, scale = 1.0f / (1.0f - args->probability);
  uint32_t threshold = drop_threshold(args->probability);
  int32_t i = 0;
  for (; i + VLEN <= count; i += VLEN)
    vstore(y + i, vkeep(vge_u32(vload_u32(bits + i), vset1_u32(threshold)), vmul(vload(x + i), vset1(scale))));
  for (; i < count; i++) y[i] = bits[i] >= threshold ? x[i] * scale : 0;
}

static void dropout_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const dropout_args *args = ctx;
  int32_t sample = task / args->steps, i = task % args->steps * args->step, end = smaller(args->per_sample, i + args->step);
  for (; i < end; i += DROPOUT_BLOCK) dropout_block(args, sample, i, smaller(DROPOUT_BLOCK, end - i));
}

void dropout(float *y, const float *x, const uint32_t *rng, int32_t samples, int32_t per_sample, float probability, int32_t purpose) {
  dropout_args args = {y, x, rng, samples, per_sample, ELEMENTS_PER_TASK, 0, probability, (uint32_t)purpose};
  args.steps = chunks_of(per_sample, args.step);
  parallel_for(dropout_task, &args, samples * args.steps);
}
