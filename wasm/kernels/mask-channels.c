/* maskChannels: zeros in the masked channels of each sample, which is its own backward. */
typedef struct {
  float *y;
  const float *x;
  const int32_t *mask;
  int32_t rows, tokens, dim, chunk;
} mask_channels_args;

NOINLINE void mask_channels_row(float *y, const float *x, const int32_t *mask, int32_t dim) {
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN)
    vstore(y + c, vdrop(vge_u32(vload_u32((const uint32_t *)mask + c), vset1_u32(1)), vload(x + c)));
  for (; c < dim; c++) y[c] = mask[c] ? 0 : x[c];
}

static void mask_channels_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const mask_channels_args *args = ctx;
  int32_t dim = args->dim, end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t r = task * args->chunk; r < end; r++) {
    size_t at = (size_t)r * dim;
    mask_channels_row(args->y + at, args->x + at, args->mask + (size_t)(r / args->tokens) * dim, dim);
  }
}

void mask_channels(float *y, const float *x, const int32_t *mask, int32_t batch, int32_t tokens, int32_t dim) {
  int32_t rows = batch * tokens;
  mask_channels_args args = {y, x, mask, rows, tokens, dim, rows_per_task(rows, dim)};
  parallel_for(mask_channels_task, &args, chunks_of(rows, args.chunk));
}
