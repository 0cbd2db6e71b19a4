/* patchify: the pixels of each patch side by side, channel by channel. */
typedef struct {
  float *y;
  const float *image;
  int32_t channels, height, width, patch;
} patchify_args;

/* One row of patches of one sample. */
static void patchify_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const patchify_args *args = ctx;
  int32_t patch = args->patch, width = args->width, rows = args->height / patch, b = task / rows, top = task % rows * patch;
  size_t plane = (size_t)args->height * width;
  float *y = args->y + (size_t)task * args->channels * patch * width;
  for (int32_t left = 0; left < width; left += patch)
    for (int32_t c = 0; c < args->channels; c++) {
      const float *from = args->image + ((size_t)b * args->channels + c) * plane + (size_t)top * width + left;
      for (int32_t u = 0; u < patch; u++, y += patch, from += width) copy_row(y, from, patch);
    }
}

void patchify(float *y, const float *image, int32_t batch, int32_t channels, int32_t height, int32_t width, int32_t patch) {
  patchify_args args = {y, image, channels, height, width, patch};
  parallel_for(patchify_task, &args, batch * (height / patch));
}
