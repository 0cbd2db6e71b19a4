/*
 * conv1d: a convolution over time as a matrix product whose rows are windows of x, and its gradients.
 *
 * Channels lie side by side, so a window is one stretch of memory and packing reads it where it is; only the channels of several groups are
 * first moved apart. The gradient of x is a convolution too: with stride s, every s-th position sees the same taps of the kernel, so that
 * each of the s phases is a product over windows of dy, and every element of dx is written once.
 */
#define CONV_TASKS 12        /* tasks wanted, so that a few threads share them evenly; how columns are split changes no sum */
#define GRAD_PARTS 32        /* parts of the rows wanted, times groups, when the gradient of a small weight is split over them */
#define GRAD_COLUMNS_MAX 512 /* columns of d_weight that one task packs at a time */

/* Row t of a sample is a window that starts at position first + t * stride; what lies outside of the sample is zero. */
typedef struct {
  const float *data; /* position 0 of the first sample and group */
  size_t sample_step, group_step;
  int32_t batch, groups, positions, channels; /* channels of a group */
  int32_t first, stride, rows;                /* rows of a sample */
} windows;

INLINE ptrdiff_t window_start(const windows *w, int32_t t) { return ((ptrdiff_t)w->first + (ptrdiff_t)t * w->stride) * w->channels; }
INLINE const float *window_sample(const windows *w, int32_t group, int32_t sample) {
  return w->data + (size_t)sample * w->sample_step + (size_t)group * w->group_step;
}

typedef struct {
  float *y;
  const float *x;
  int32_t rows, positions, groups, channels, chunk;
} split_groups_args;

/* y[sample, group, t] = x[sample, t, group] for a chunk of rows. */
static void split_groups_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const split_groups_args *args = ctx;
  size_t channels = (size_t)args->channels, groups = (size_t)args->groups, positions = (size_t)args->positions;
  int32_t end = smaller(args->rows, (task + 1) * args->chunk);
  for (int32_t row = task * args->chunk; row < end; row++) {
    const float *x = args->x + (size_t)row * groups * channels;
    float *y = args->y + ((size_t)row / positions * groups * positions + (size_t)row % positions) * channels;
    for (size_t g = 0; g < groups; g++) copy_row(y + g * positions * channels, x + g * channels, args->channels);
  }
}

/* Floats that place_windows needs, a multiple of 64 bytes. */
static size_t windows_memory(const windows *w) {
  if (w->groups == 1) return 0;
  return ((size_t)w->batch * (size_t)w->positions * (size_t)w->groups * (size_t)w->channels + 15) / 16 * 16;
}

/* Makes the positions of each group contiguous: in `memory` where there are several groups, else they are already. */
static void place_windows(windows *w, const float *x, float *memory) {
  w->group_step = (size_t)w->positions * (size_t)w->channels;
  w->sample_step = w->group_step * (size_t)w->groups;
  w->data = w->groups == 1 ? x : memory;
  if (w->groups == 1) return;
  int32_t rows = w->batch * w->positions, chunk = rows_per_task(rows, w->groups * w->channels);
  split_groups_args args = {memory, x, rows, w->positions, w->groups, w->channels, chunk};
  parallel_for(split_groups_task, &args, chunks_of(rows, chunk));
}

/* Packs elements [k, k + depth) of the windows of up to MR rows; a panel that leaves its sample is copied together in `copy` first. */
NOINLINE void pack_a_windows(float *to, const windows *w, int32_t group, int32_t row, int32_t rows, int32_t k, int32_t depth, float *copy) {
  int32_t valid = smaller(rows, MR), sample = row / w->rows, t = row % w->rows;
  ptrdiff_t step = (ptrdiff_t)w->stride * w->channels, size = (ptrdiff_t)w->positions * w->channels, start = window_start(w, t) + k;
  if (t + valid <= w->rows && start >= 0 && start + (valid - 1) * step + depth <= size) {
    pack_a_panel(to, (operand){window_sample(w, group, sample) + start, (size_t)step, 1}, 0, valid, 0, depth);
    return;
  }
  for (int32_t i = 0; i < valid; i++, t++) {
    if (t == w->rows) t = 0, sample++;
    start = window_start(w, t) + k;
    int32_t before = start >= 0 ? 0 : -start < depth ? (int32_t)-start : depth;
    int32_t end = size - start >= depth ? depth : size - start > before ? (int32_t)(size - start) : before;
    float *y = copy + (size_t)i * (size_t)depth;
    zero_row(y, before);
    if (end > before) copy_row(y + before, window_sample(w, group, sample) + (start + before), end - before);
    zero_row(y + end, depth - end);
  }
  pack_a_panel(to, (operand){copy, (size_t)depth, 1}, 0, valid, 0, depth);
}

/* Packs elements [j, j + NR) of the windows of the rows [row, row + depth), rows being the depth of the product. */
NOINLINE void pack_b_windows(float *to, const windows *w, int32_t group, int32_t j, int32_t columns, int32_t row, int32_t depth) {
  int32_t valid = smaller(columns, NR);
  ptrdiff_t step = (ptrdiff_t)w->stride * w->channels, size = (ptrdiff_t)w->positions * w->channels;
  for (int32_t end = row + depth, run; row < end; row += run, to += (size_t)run * NR) {
    int32_t t = row % w->rows;
    const float *sample = window_sample(w, group, row / w->rows);
    ptrdiff_t start = window_start(w, t) + j;
    if (start >= 0 && start + valid <= size) {
      ptrdiff_t inside = (size - valid - start) / step + 1;
      run = smaller(end - row, w->rows - t);
      if (inside < run) run = (int32_t)inside;
      pack_b_panel(to, (operand){sample + start, (size_t)step, 0}, 0, valid, 0, run);
    } else {
      run = 1;
      for (int32_t i = 0; i < NR; i++) to[i] = i < valid && start + i >= 0 && start + i < size ? sample[start + i] : 0;
    }
  }
}

/* For each group: c (all rows x n) = bias + windows · weights, the weights in segments of the depth that lie segment_step apart. */
typedef struct {
  windows a;
  float *c; /* row t of sample s and group g starts at c + s * c_sample + t * c_row + g * n */
  size_t c_row, c_sample;
  const float *bias;
  operand weight;
  size_t weight_group;
  int32_t segment;
  ptrdiff_t segment_step;
  int32_t n, depth, depth_step;
  int32_t row_step, row_blocks, column_step, column_blocks;
  float *packed_weight; /* [groups][depth][n, up to a multiple of NR] */
  float *scratch;       /* per thread: a block of windows, the rows of one panel, and a block of c that spans samples */
  size_t scratch_size;
} window_product;

INLINE float *packed_weight(const window_product *p, int32_t group, int32_t k) {
  return p->packed_weight + ((size_t)group * (size_t)p->depth + (size_t)k) * (size_t)(chunks_of(p->n, NR) * NR);
}

/* One depth block of one group. */
static void window_pack_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const window_product *p = ctx;
  int32_t blocks = chunks_of(p->depth, p->depth_step), group = task / blocks;
  int32_t k = task % blocks * p->depth_step, depth = smaller(p->depth_step, p->depth - k);
  for (int32_t column = 0; column < p->n; column += NR) {
    float *to = packed_weight(p, group, k) + (size_t)column * (size_t)depth;
    for (int32_t at = k, run; at < k + depth; at += run, to += (size_t)run * NR) {
      int32_t segment = at / p->segment, from = at % p->segment;
      run = smaller(k + depth - at, p->segment - from);
      operand weight = p->weight;
      weight.data += (ptrdiff_t)((size_t)group * p->weight_group) + segment * p->segment_step;
      pack_b_panel(to, weight, column, p->n - column, from, run);
    }
  }
}

static void window_product_task(void *ctx, int32_t task, int32_t thread) {
  const window_product *p = ctx;
  int32_t per_sample = p->a.rows, all_rows = p->a.batch * per_sample;
  int32_t row = task % p->row_blocks * p->row_step, rows = smaller(p->row_step, all_rows - row);
  int32_t column = task / p->row_blocks % p->column_blocks * p->column_step, columns = smaller(p->column_step, p->n - column);
  int32_t group = task / p->row_blocks / p->column_blocks, sample = row / per_sample, t = row % per_sample;
  size_t group_column = (size_t)group * (size_t)p->n + (size_t)column;
  float *packed = p->scratch + (size_t)thread * p->scratch_size, *copy = packed + MC * KC, *apart = copy + MR * KC;
  float *c = p->c + (size_t)sample * p->c_sample + (size_t)t * p->c_row + group_column;
  size_t c_step = p->c_row;
  int spans = t + rows > per_sample && p->c_sample != (size_t)per_sample * p->c_row;
  if (spans) c = apart, c_step = (size_t)columns;

  int32_t k = 0;
  do {
    int32_t depth = smaller(p->depth_step, p->depth - k);
    for (int32_t i = 0; i < rows; i += MR)
      pack_a_windows(packed + (size_t)i * (size_t)depth, &p->a, group, row + i, rows - i, k, depth, copy);
    const float *init = k > 0 ? c : p->bias ? p->bias + group_column : NULL;
    const float *weight = packed_weight(p, group, k) + (size_t)column * (size_t)depth;
    gemm_block(c, c_step, init, k > 0 ? c_step : 0, packed, weight, rows, columns, depth);
    k += p->depth_step;
  } while (k < p->depth);

  if (!spans) return;
  for (int32_t i = 0; i < rows; i++, t++) {
    if (t == per_sample) t = 0, sample++;
    copy_row(p->c + (size_t)sample * p->c_sample + (size_t)t * p->c_row + group_column, apart + (size_t)i * (size_t)columns, columns);
  }
}

static void multiply_windows(window_product p, const float *x) {
  int32_t rows = p.a.batch * p.a.rows, groups = p.a.groups;
  if (rows == 0 || p.n == 0) return;
  p.depth_step = larger(1, block_depth(p.depth));
  p.row_blocks = chunks_of(rows, MC);
  p.row_step = chunks_of(chunks_of(rows, p.row_blocks), MR) * MR;
  p.row_blocks = chunks_of(rows, p.row_step);
  p.column_blocks = larger(1, smaller(chunks_of(CONV_TASKS, p.row_blocks * groups), p.n / NC_MIN));
  p.column_step = chunks_of(chunks_of(p.n, p.column_blocks), NR) * NR;
  p.column_blocks = chunks_of(p.n, p.column_step);

  size_t moved = windows_memory(&p.a), weights = (size_t)groups * (size_t)p.depth * (size_t)(chunks_of(p.n, NR) * NR);
  p.scratch_size = MC * KC + MR * KC + (size_t)p.row_step * (size_t)p.column_step;
  float *memory = workspace((moved + weights + (size_t)thread_count() * p.scratch_size) * sizeof(float));
  p.packed_weight = memory + moved;
  p.scratch = p.packed_weight + weights;
  place_windows(&p.a, x, memory);
  parallel_for(window_pack_task, &p, groups * chunks_of(p.depth, p.depth_step));
  parallel_for(window_product_task, &p, p.row_blocks * p.column_blocks * groups);
}

static int32_t conv1d_out_time(int32_t in_time, int32_t kernel, int32_t stride, int32_t padding) {
  int32_t room = in_time + 2 * padding - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

void conv1d(float *y, const float *x, const float *weight, const float *bias, int32_t batch, int32_t in_time, int32_t in_channels,
            int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups) {
  int32_t out_time = conv1d_out_time(in_time, kernel, stride, padding), channels = in_channels / groups, n = out_channels / groups;
  int32_t depth = kernel * channels;
  multiply_windows(
      (window_product){
          .a = {.batch = batch, .groups = groups, .positions = in_time, .channels = channels,
                .first = -padding, .stride = stride, .rows = out_time},
          .c = y, .c_row = (size_t)out_channels, .c_sample = (size_t)out_time * (size_t)out_channels, .bias = bias,
          .weight = {weight, (size_t)depth, 1}, .weight_group = (size_t)n * (size_t)depth, .segment = depth,
          .n = n, .depth = depth,
      },
      x);
}

/*
 * Position q * stride + phase - padding of dx is the sum over j of dy[q - j] · weight[phase + j * stride]: for each phase a product of the
 * windows dy[q - taps + 1 .. q] with every stride-th tap of the kernel, the last first.
 */
void conv1d_grad_input(float *dx, const float *dy, const float *weight, int32_t batch, int32_t in_time, int32_t in_channels,
                       int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups) {
  int32_t out_time = conv1d_out_time(in_time, kernel, stride, padding), channels = out_channels / groups, n = in_channels / groups;
  size_t position = (size_t)in_channels, window = (size_t)kernel * (size_t)n;
  for (int32_t phase = 0; phase < stride; phase++) {
    int32_t taps = phase < kernel ? (kernel - phase - 1) / stride + 1 : 0;
    int32_t q = padding > phase ? chunks_of(padding - phase, stride) : 0, first = q * stride + phase - padding;
    int32_t rows = first < in_time ? (in_time - first - 1) / stride + 1 : 0, last_tap = taps > 0 ? phase + (taps - 1) * stride : 0;
    multiply_windows(
        (window_product){
            .a = {.batch = batch, .groups = groups, .positions = out_time, .channels = channels,
                  .first = q - taps + 1, .stride = 1, .rows = rows},
            .c = dx + (size_t)first * position, .c_row = (size_t)stride * position, .c_sample = (size_t)in_time * position,
            .weight = {weight + (size_t)last_tap * (size_t)n, window, 0}, .weight_group = (size_t)channels * window,
            .segment = channels, .segment_step = -(ptrdiff_t)stride * n,
            .n = n, .depth = taps * channels,
        },
        dy);
  }
}

typedef struct {
  windows x;
  const float *dy;
  float *d_weight, *partial;            /* partial: a d_weight per part, or NULL to add to d_weight itself */
  int32_t rows, part_rows;              /* part p covers the rows [p * part_rows, (p + 1) * part_rows) */
  int32_t out, n;                       /* d_weight of a group: out x n */
  int32_t row_step, column_step, column_blocks;
  float *packed; /* per thread a block of dy, then one of windows */
  size_t packed_size;
} conv1d_grad_weight_args;

/* One part of the rows, one group and some columns. */
static void conv1d_grad_weight_task(void *ctx, int32_t task, int32_t thread) {
  const conv1d_grad_weight_args *args = ctx;
  int32_t column = task % args->column_blocks * args->column_step, columns = smaller(args->column_step, args->n - column);
  int32_t group = task / args->column_blocks % args->x.groups, part = task / args->column_blocks / args->x.groups;
  int32_t first = part * args->part_rows, end = smaller(args->rows, first + args->part_rows);
  size_t n = (size_t)args->n, out_channels = (size_t)args->out * (size_t)args->x.groups, channel = (size_t)group * (size_t)args->out;
  operand dy = {args->dy + channel, out_channels, 0};
  float *c = (args->partial ? args->partial + (size_t)part * partial_step((int32_t)(out_channels * n)) : args->d_weight) + channel * n + column;
  float *packed_dy = args->packed + (size_t)thread * args->packed_size, *packed_x = packed_dy + (size_t)args->row_step * KC;
  int32_t step = block_depth(end - first);
  for (int32_t k = first; k < end; k += step) {
    int32_t depth = smaller(step, end - k);
    for (int32_t j = 0; j < columns; j += NR)
      pack_b_windows(packed_x + (size_t)j * (size_t)depth, &args->x, group, column + j, columns - j, k, depth);
    for (int32_t row = 0; row < args->out; row += args->row_step) {
      int32_t rows = smaller(args->row_step, args->out - row);
      for (int32_t i = 0; i < rows; i += MR) pack_a_panel(packed_dy + (size_t)i * (size_t)depth, dy, row + i, rows - i, k, depth);
      float *block = c + (size_t)row * n;
      gemm_block(block, n, args->partial && k == first ? NULL : block, n, packed_dy, packed_x, rows, columns, depth);
    }
  }
}

void conv1d_grad_weight(float *d_weight, float *d_bias, const float *dy, const float *x, int32_t batch, int32_t in_time,
                        int32_t in_channels, int32_t out_channels, int32_t kernel, int32_t stride, int32_t padding, int32_t groups) {
  int32_t out_time = conv1d_out_time(in_time, kernel, stride, padding), channels = in_channels / groups, n = kernel * channels;
  int32_t rows = batch * out_time, count = out_channels * n;
  if (rows == 0 || count == 0) return;
  conv1d_grad_weight_args args = {
      .x = {.batch = batch, .groups = groups, .positions = in_time, .channels = channels,
            .first = -padding, .stride = stride, .rows = out_time},
      .dy = dy, .d_weight = d_weight, .rows = rows, .out = out_channels / groups, .n = n,
  };
  int32_t parts = larger(1, smaller(chunks_of(GRAD_PARTS, groups), smaller(rows / SPLIT_ROWS_MIN, SPLIT_PARTIALS_MAX / count)));
  args.part_rows = chunks_of(rows, parts);
  parts = chunks_of(rows, args.part_rows);
  int32_t blocks = larger(chunks_of(n, GRAD_COLUMNS_MAX), smaller(chunks_of(CONV_TASKS, parts * groups), n / NC_MIN));
  args.column_step = chunks_of(chunks_of(n, blocks), NR) * NR;
  args.column_blocks = chunks_of(n, args.column_step);
  args.row_step = chunks_of(chunks_of(args.out, chunks_of(args.out, MC)), MR) * MR;

  size_t moved = windows_memory(&args.x), partials = parts > 1 ? (size_t)parts * partial_step(count) : 0;
  args.packed_size = (size_t)(args.row_step + args.column_step) * KC;
  float *memory = workspace((moved + (size_t)thread_count() * args.packed_size + partials) * sizeof(float));
  args.packed = memory + moved;
  args.partial = parts > 1 ? args.packed + (size_t)thread_count() * args.packed_size : NULL;
  place_windows(&args.x, x, memory);
  parallel_for(conv1d_grad_weight_task, &args, parts * groups * args.column_blocks);

  grad_weight_args whole = {.d_weight = d_weight, .d_bias = d_bias, .dy = dy, .rows = rows, .in_dim = n, .out_dim = out_channels,
                            .parts = parts, .partial = args.partial};
  if (parts > 1) parallel_for(grad_weight_sum, &whole, chunks_of(count, SUM_ELEMENTS));
  if (d_bias) grad_bias(whole);
}
