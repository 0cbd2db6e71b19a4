/* linear: y = x · weightᵀ + bias, and its gradients. */
#define SPLIT_TASKS 8                /* chunks of rows wanted, when the gradient of a small weight is split over them */
#define SPLIT_ROWS_MIN 128           /* rows per chunk at least */
#define SPLIT_ROWS_MAX 400           /* and at most, while the partial sums have room */
#define SPLIT_PARTIALS_MAX (2 << 20) /* elements of all partial sums */
#define SPLIT_SIDES_MAX 4096         /* in_dim + out_dim at most: the shorter side is packed whole */
#define SPLIT_HEIGHT (PACK_GROUP * (MR > 6 ? 1 : 3) * MR) /* rows, or columns, of the longer side of d_weight packed at a time */
#define SPLIT_WIDTH (PACK_GROUP * NR)
#define LAST_PIECES 2                /* that each share's last chunk is divided into, so that threads end at the same time */
#define LAST_BLOCKS_MIN 6            /* blocks of the longer side at least, since each piece packs the shorter side */
#define SUM_ELEMENTS 4096            /* elements of d_weight whose partial sums one task adds */
#define BIAS_ROWS 512                /* rows of dy summed by one task */

/* From one partial sum of a d_weight to the next: at distances of a power of two they would push each other out of the caches. */
INLINE size_t partial_step(int32_t count) { return (size_t)count + 16; }

/* Rows or columns in whole panels. */
INLINE size_t packed_length(int32_t length, int32_t panel) { return (size_t)(chunks_of(length, panel) * panel); }

static gemm_problem linear_problem(float *y, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim,
                                   int32_t out_dim) {
  operand a = {x, (size_t)in_dim, 1}, b = {weight, (size_t)in_dim, 1};
  return (gemm_problem){.c = y, .bias = bias, .a = a, .b = b, .m = rows, .n = out_dim, .k = in_dim};
}

void linear(float *y, const float *x, const float *weight, const float *bias, int32_t rows, int32_t in_dim, int32_t out_dim) {
  gemm(linear_problem(y, x, weight, bias, rows, in_dim, out_dim));
}

void linear_grad_input(float *dx, const float *dy, const float *weight, int32_t rows, int32_t in_dim, int32_t out_dim) {
  operand a = {dy, (size_t)out_dim, 1}, b = {weight, (size_t)in_dim, 0};
  gemm((gemm_problem){.c = dx, .a = a, .b = b, .m = rows, .n = in_dim, .k = out_dim});
}

/* sums[c] += sum over the rows of x[r, c], whose rows lie `step` floats apart. */
static void add_columns(float *sums, const float *x, int32_t step, int32_t rows, int32_t columns) {
  for (int32_t r = 0; r < rows; r++) add_row(sums, x + (size_t)r * (size_t)step, columns);
}

typedef struct {
  float *d_weight, *d_bias;
  const float *dy, *x;
  int32_t rows, in_dim, out_dim;
  int32_t parts, step;                      /* chunk p covers the rows [p * step, (p + 1) * step) */
  division chunks;
  int32_t height, width;                    /* of d_weight, what is computed between two packings */
  float *packed, *partial, *partial_bias;   /* packed: per thread a block of dy, then one of x */
  size_t packed_size;
} grad_weight_args;

/* The share of a piece in the blocks of `step` that cover `length`. */
INLINE void piece_of(int32_t length, int32_t step, int32_t piece, int32_t *first, int32_t *end) {
  int32_t share = chunks_of(chunks_of(length, step), LAST_PIECES) * step;
  *first = smaller(piece * share, length), *end = smaller(*first + share, length);
}

/* One chunk of rows, or a piece of one: its share of d_weight and d_bias. */
static void grad_weight_part(void *ctx, int32_t task, int32_t thread) {
  const grad_weight_args *args = ctx;
  int32_t m = args->out_dim, n = args->in_dim, height = args->height, width = args->width;
  int32_t piece, part = divided_unit(args->chunks, task, &piece);
  int32_t i_first = 0, i_end = m, j_first = 0, j_end = n;
  if (piece >= 0) {
    if (height < m) piece_of(m, height, piece, &i_first, &i_end);
    else piece_of(n, width, piece, &j_first, &j_end);
  }
  int32_t first = part * args->step, end = smaller(args->rows, first + args->step);
  operand a = {args->dy, (size_t)m, 0}, b = {args->x, (size_t)n, 0};
  float *packed_a = args->packed + (size_t)thread * args->packed_size, *packed_b = packed_a + packed_length(height, MR) * KC;
  float *partial = args->partial + (size_t)part * partial_step(m * n), *partial_bias = args->partial_bias + (size_t)part * (size_t)m;
  const int sums_bias = args->d_bias && j_first == 0;
  if (sums_bias) zero_row(partial_bias + i_first, i_end - i_first);
  int32_t step = block_depth(end - first);
  for (int32_t k = first; k < end; k += step) {
    int32_t depth = smaller(step, end - k);
    for (int32_t i = i_first; i < i_end; i += height) {
      int32_t rows = smaller(height, i_end - i);
      pack_a(packed_a, a, i, rows, k, depth);
      if (sums_bias) add_columns(partial_bias + i, args->dy + (size_t)k * (size_t)m + i, m, depth, rows);
      for (int32_t j = j_first; j < j_end; j += width) {
        int32_t columns = smaller(width, j_end - j);
        float *c = partial + (size_t)i * (size_t)n + j;
        if (i == i_first || width < n) pack_b(packed_b, b, j, columns, k, depth);
        gemm_block(c, (size_t)n, k > first ? c : NULL, (size_t)n, packed_a, packed_b, rows, columns, depth);
      }
    }
  }
}

/* d_weight += the partial sums, in order, for a few thousand elements. */
static void grad_weight_sum(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const grad_weight_args *args = ctx;
  int32_t count = args->in_dim * args->out_dim, i = task * SUM_ELEMENTS, end = smaller(count, i + SUM_ELEMENTS);
  for (; i + VLEN <= end; i += VLEN) {
    vf sum = vload(args->partial + i);
    for (int32_t p = 1; p < args->parts; p++) sum = vadd(sum, vload(args->partial + (size_t)p * partial_step(count) + i));
    vstore(args->d_weight + i, vadd(vload(args->d_weight + i), sum));
  }
  for (; i < end; i++) {
    float sum = args->partial[i];
    for (int32_t p = 1; p < args->parts; p++) sum += args->partial[(size_t)p * partial_step(count) + (size_t)i];
    args->d_weight[i] += sum;
  }
}

static void grad_bias_part(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const grad_weight_args *args = ctx;
  size_t m = (size_t)args->out_dim;
  int32_t first = task * BIAS_ROWS;
  float *sums = args->partial_bias + (size_t)task * m;
  zero_row(sums, args->out_dim);
  add_columns(sums, args->dy + (size_t)first * m, args->out_dim, smaller(BIAS_ROWS, args->rows - first), args->out_dim);
}

/* d_bias on its own, for weights too large to split. */
static void grad_bias(grad_weight_args args) {
  int32_t parts = chunks_of(args.rows, BIAS_ROWS);
  args.partial_bias = workspace((size_t)parts * (size_t)args.out_dim * sizeof(float));
  parallel_for(grad_bias_part, &args, parts);
  add_partials(args.d_bias, args.partial_bias, parts, args.out_dim);
}

void linear_grad_weight(float *d_weight, float *d_bias, const float *dy, const float *x, int32_t rows, int32_t in_dim, int32_t out_dim) {
  if (rows == 0) return;
  grad_weight_args args = {.d_weight = d_weight, .d_bias = d_bias, .dy = dy, .x = x, .rows = rows, .in_dim = in_dim, .out_dim = out_dim};
  int64_t count = (int64_t)in_dim * out_dim;
  int64_t most = count > 0 ? SPLIT_PARTIALS_MAX / count : 0;
  int32_t wanted = larger(chunks_of(rows, SPLIT_ROWS_MAX), smaller(SPLIT_TASKS, rows / SPLIT_ROWS_MIN));
  if (wanted < 2 || most < smaller(wanted, SPLIT_TASKS) || in_dim > SPLIT_SIDES_MAX - out_dim) {
    operand a = {dy, (size_t)out_dim, 0}, b = {x, (size_t)in_dim, 0};
    gemm((gemm_problem){.c = d_weight, .a = a, .b = b, .m = out_dim, .n = in_dim, .k = rows, .accumulate = 1});
    if (d_bias) grad_bias(args);
    return;
  }
  args.step = chunks_of(rows, most < wanted ? (int32_t)most : wanted);
  args.parts = chunks_of(rows, args.step);
  size_t threads = (size_t)thread_count(), parts = (size_t)args.parts;
  args.height = out_dim > in_dim ? SPLIT_HEIGHT : out_dim;
  args.width = out_dim > in_dim ? in_dim : SPLIT_WIDTH;
  args.packed_size = (packed_length(args.height, MR) + packed_length(args.width, NR)) * KC;
  size_t step = partial_step((int32_t)count);
  args.packed = workspace((threads * args.packed_size + parts * (step + (size_t)out_dim)) * sizeof(float));
  args.partial = args.packed + threads * args.packed_size;
  args.partial_bias = args.partial + parts * step;
  int32_t blocks = out_dim > in_dim ? chunks_of(out_dim, args.height) : chunks_of(in_dim, args.width);
  int divides = threads > 1 && args.parts > 2 * (int32_t)threads && blocks >= LAST_BLOCKS_MIN;
  args.chunks = (division){args.parts, (int32_t)threads, divides ? LAST_PIECES : 1};
  parallel_for(grad_weight_part, &args, divided_tasks(args.chunks));
  parallel_for(grad_weight_sum, &args, chunks_of((int32_t)count, SUM_ELEMENTS));
  if (d_bias) add_partials(d_bias, args.partial_bias, args.parts, out_dim);
}
