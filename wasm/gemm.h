/*
 * Matrix product over packed panels, after Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication": one
 * factor is packed once for all threads, each task packs its block of the other, and a micro-kernel of MR x 2 VLEN keeps its tile of C in
 * registers.
 */
#ifndef DATA2VEC_GEMM_H
#define DATA2VEC_GEMM_H
#include "parallel.h"
#include "simd.h"

/* MR x 2 vectors of C, two of B and one of A fill the vector registers: 16, but 32 of AVX-512 and NEON. */
#if VLEN == 16
#define MR 14
#define MC (5 * MR)
#elif defined(__aarch64__)
#define MR 14
#define MC (20 * MR)
#elif defined(FUSED)
#define MR 6
#define MC (24 * MR)           /* rows of a block: a block of A (MC x KC) stays in the second-level cache */
#else
#define MR 5                   /* a product needs a register of its own before it is added */
#define MC (24 * MR)
#endif
#define NR (2 * VLEN)
#define KC (VLEN == 8 ? 256 : 400) /* most depth of a block: a panel of A (MR x KC) or B (KC x NR) stays in the first-level cache */
#define KEEPS_A (MR < NR && VLEN != 8) /* which: the narrower ones; of AVX2, B's were measured to be faster */
#define NC_MAX 192             /* columns of a task that packs them for itself: a block of B stays in the second-level cache */
#define NC_MIN 48              /* columns below which a task isn't split further */
#define TASKS_PER_THREAD 4     /* wanted, so that threads share them evenly; how C is split changes no element's sum */
#define LAST_PARTS 4           /* that each share's last block of rows is divided into */
#define A_AHEAD (16 * MR)      /* how far ahead panels are asked for: what else runs on the core pushes them out of the first-level cache */
#define B_AHEAD (12 * NR)
#define PACK_GROUP 8           /* panels packed together */
#define PACK_AHEAD 8           /* rows along i that are asked for ahead */
#define PACK_TASK 32768        /* elements that one task packs */
#define SHARED_MAX (1 << 20)   /* elements of a factor packed at a time for all tasks: the caches that all threads share hold some of them */

/* The depth of blocks, equal but for the last, that cover `depth`. */
INLINE int32_t block_depth(int32_t depth) { return chunks_of(depth, larger(1, chunks_of(depth, KC))); }

/* A matrix whose depth (k) axis is contiguous or not: element (i, k) is data[i * stride + k], or data[k * stride + i]. */
typedef struct {
  const float *data;
  size_t stride;
  int k_contiguous;
} operand;

/*
 * How a tile takes `init` in. Natively it is added last, so that nothing waits for it, and its lines are on their way until then; V8 wants
 * it loaded first, or it spills the sums.
 */
#ifdef __wasm__
#define START_ROW(i) vf c##i##0 = vload(init + (i) * init_stride), c##i##1 = vload(init + (i) * init_stride + VLEN);
#define STORE_ROW(i) vstore(c + (i) * c_stride, c##i##0), vstore(c + (i) * c_stride + VLEN, c##i##1);
#else
#define START_ROW(i)                                                                                                            \
  vf c##i##0 = vzero(), c##i##1 = vzero();                                                                                      \
  __builtin_prefetch(c + (i) * c_stride, 1);                                                                                    \
  __builtin_prefetch(c + (i) * c_stride + NR - 1, 1);
#define STORE_ROW(i)                                                                                                            \
  vstore(c + (i) * c_stride, vadd(vload(init + (i) * init_stride), c##i##0));                                                   \
  vstore(c + (i) * c_stride + VLEN, vadd(vload(init + (i) * init_stride + VLEN), c##i##1));
#endif

/* c (MR x NR) = init + a (k x MR, packed) · b (k x NR, packed). A small function of its own, so that V8 optimises it early. */
NOINLINE void gemm_tile(float *c, size_t c_stride, const float *init, size_t init_stride, const float *a, const float *b, int32_t k) {
#define ROW(i)                                                                                                                  \
  {                                                                                                                             \
    vf ai = vset1(a[i]);                                                                                                        \
    c##i##1 = vfma(ai, b1, c##i##1);                                                                                            \
    c##i##0 = vfma(ai, b0, c##i##0);                                                                                            \
    KEEP_ORDER(c##i##1, c##i##0);                                                                                              \
  }
#if MR == 14
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#elif MR == 6
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#else
#define ROWS(X) X(0) X(1) X(2) X(3) X(4)
#endif
  ROWS(START_ROW)
  RELOAD(a, b);
  for (; k > 0; --k) {
    vf b0 = vload(b), b1 = vload(b + VLEN);
    if (VLEN > 4) __builtin_prefetch(b + B_AHEAD);
    if (VLEN == 16) {
      __builtin_prefetch(b + B_AHEAD + VLEN);
      __builtin_prefetch(a + A_AHEAD);
    }
    ROWS(ROW)
    a += MR;
    b += NR;
    KEEP_ORDER(a, b);
  }
  ROWS(STORE_ROW)
#undef START_ROW
#undef ROW
#undef STORE_ROW
#undef ROWS
}

/* The same for a tile of which only rows x columns exist; init and c are read and written only there. */
NOINLINE void gemm_edge(float *c, size_t c_stride, const float *init, size_t init_stride, const float *a, const float *b, int32_t k,
                        int32_t rows, int32_t columns) {
  float tile[MR * NR] = {0};
  for (int32_t i = 0; i < rows; i++)
    for (int32_t j = 0; j < columns; j++) tile[i * NR + j] = init[(size_t)i * init_stride + (size_t)j];
  gemm_tile(tile, NR, tile, NR, a, b, k);
  for (int32_t i = 0; i < rows; i++)
    for (int32_t j = 0; j < columns; j++) c[(size_t)i * c_stride + (size_t)j] = tile[i * NR + j];
}

/* to[k * width + i] = from[i * stride + k] for i < width; rows from `valid` on repeat the one before. */
INLINE void pack_k_contiguous(float *to, const float *from, size_t stride, int32_t valid, int32_t depth, const int32_t width) {
  for (int32_t i = 0; i < width; i += VLEN) {
    const float *row[VLEN];
    for (int32_t r = 0; r < VLEN; r++) row[r] = from + (size_t)smaller(i + r, valid - 1) * stride;
    int32_t k = 0;
    for (; k + VLEN <= depth; k += VLEN) {
      vf x[VLEN];
#ifndef __wasm__ /* asks for the next panel's rows ahead; WASM has no such request, and was 5 % slower for what is left of it */
      if (k % 16 == 0)
        for (int32_t r = 0; r < smaller(VLEN, width - i); r++) __builtin_prefetch(row[r] + (size_t)width * stride + k);
#endif
      for (int32_t r = 0; r < VLEN; r++) x[r] = vload(row[r] + k);
      vtranspose(x);
      for (int32_t c = 0; c < VLEN; c++) vstore_lanes(to + (k + c) * width + i, x[c], smaller(VLEN, width - i));
    }
    for (; k < depth; k++)
      for (int32_t r = 0; r < smaller(VLEN, width - i); r++) to[k * width + i + r] = row[r][k];
  }
}

/* to[k * width + i] = from[k * stride + i] for i < valid, 0 for the rest of width. */
INLINE void pack_i_contiguous(float *to, const float *from, size_t stride, int32_t valid, int32_t depth, const int32_t width) {
  if (valid == width) {
    for (int32_t k = 0; k < depth; k++, to += width, from += stride) {
      __builtin_prefetch(from + PACK_AHEAD * stride);
      vcopy(to, from, width);
    }
    return;
  }
  for (int32_t k = 0; k < depth; k++, to += width, from += stride)
    for (int32_t i = 0; i < width; i++) to[i] = i < valid ? from[i] : 0;
}

INLINE void pack_panel(float *to, operand x, int32_t first, int32_t valid, int32_t k, int32_t depth, const int32_t width) {
  if (x.k_contiguous) {
    pack_k_contiguous(to, x.data + (size_t)first * x.stride + (size_t)k, x.stride, valid, depth, width);
  } else {
    pack_i_contiguous(to, x.data + (size_t)k * x.stride + (size_t)first, x.stride, valid, depth, width);
  }
}
NOINLINE void pack_a_panel(float *to, operand a, int32_t row, int32_t rows, int32_t k, int32_t depth) {
  pack_panel(to, a, row, smaller(rows, MR), k, depth, MR);
}
NOINLINE void pack_b_panel(float *to, operand b, int32_t column, int32_t columns, int32_t k, int32_t depth) {
  pack_panel(to, b, column, smaller(columns, NR), k, depth, NR);
}

/* PACK_GROUP panels of operands whose rows lie along i: by rows, since a panel's part of one is no more than a cache line. */
INLINE void pack_group(float *to, const float *from, size_t stride, int32_t depth, const int32_t width) {
  for (int32_t k = 0; k < depth; k++, to += width, from += stride) {
    for (int32_t i = 0; i < PACK_GROUP * width; i += 16) __builtin_prefetch(from + PACK_AHEAD * stride + i);
    for (int32_t p = 0; p < PACK_GROUP; p++) vcopy(to + (size_t)p * (size_t)depth * width, from + p * width, width);
  }
}
NOINLINE void pack_a_group(float *to, const float *from, size_t stride, int32_t depth) { pack_group(to, from, stride, depth, MR); }
NOINLINE void pack_b_group(float *to, const float *from, size_t stride, int32_t depth) { pack_group(to, from, stride, depth, NR); }

/* All panels of rows [row, row + rows), and of columns [column, column + columns), one after the other. */
static void pack_a(float *to, operand a, int32_t row, int32_t rows, int32_t k, int32_t depth) {
  int32_t i = 0;
  for (; !a.k_contiguous && i + PACK_GROUP * MR <= rows; i += PACK_GROUP * MR)
    pack_a_group(to + (size_t)i * (size_t)depth, a.data + (size_t)k * a.stride + (size_t)(row + i), a.stride, depth);
  for (; i < rows; i += MR) pack_a_panel(to + (size_t)i * (size_t)depth, a, row + i, rows - i, k, depth);
}
static void pack_b(float *to, operand b, int32_t column, int32_t columns, int32_t k, int32_t depth) {
  int32_t j = 0;
  for (; !b.k_contiguous && j + PACK_GROUP * NR <= columns; j += PACK_GROUP * NR)
    pack_b_group(to + (size_t)j * (size_t)depth, b.data + (size_t)k * b.stride + (size_t)(column + j), b.stride, depth);
  for (; j < columns; j += NR) pack_b_panel(to + (size_t)j * (size_t)depth, b, column + j, columns - j, k, depth);
}

/* The tile at (i, j) of gemm_block. */
INLINE void gemm_at(float *c, size_t c_stride, const float *init, size_t init_stride, const float *a, const float *b, int32_t rows,
                    int32_t columns, int32_t depth, int32_t i, int32_t j) {
  static const float zeros[NR];
  float *tile = c + (size_t)i * c_stride + j;
  const float *tile_init = init ? init + (size_t)i * init_stride + j : zeros;
  a += (size_t)i * (size_t)depth, b += (size_t)j * (size_t)depth;
  if (i + MR <= rows && j + NR <= columns) {
    gemm_tile(tile, c_stride, tile_init, init ? init_stride : 0, a, b, depth);
  } else {
    gemm_edge(tile, c_stride, tile_init, init ? init_stride : 0, a, b, depth, smaller(rows - i, MR), smaller(columns - j, NR));
  }
}
/*
 * c = init + a · b for packed blocks of any size; init_stride 0 repeats one row, a NULL init is zero. The panels of one factor stay in the
 * first-level cache in turn, while those of the other pass by.
 */
static void gemm_block(float *c, size_t c_stride, const float *init, size_t init_stride, const float *a, const float *b, int32_t rows,
                       int32_t columns, int32_t depth) {
  if (KEEPS_A) {
    for (int32_t i = 0; i < rows; i += MR)
      for (int32_t j = 0; j < columns; j += NR) gemm_at(c, c_stride, init, init_stride, a, b, rows, columns, depth, i, j);
    return;
  }
  for (int32_t j = 0; j < columns; j += NR)
    for (int32_t i = 0; i < rows; i += MR) gemm_at(c, c_stride, init, init_stride, a, b, rows, columns, depth, i, j);
}

/*
 * c (m x n) = bias + a · b, or c += a · b. Where there is `finish`, it is called with what a task has computed of a row of c, `columns` from
 * element `at` of c on, while that lies in the cache.
 */
typedef struct {
  float *c;
  const float *bias; /* n, or NULL */
  operand a, b;      /* m x k, n x k */
  int32_t m, n, k;
  int accumulate;
  void (*finish)(const void *context, const float *c, size_t at, int32_t columns);
  const void *context;
} gemm_problem;

/*
 * The part of a problem that is computed between two packings: rows [row, row_end) by columns [column, column_end), depth [k, k + depth). One
 * factor is packed ahead for all tasks, the other by each task for itself.
 */
typedef struct {
  const gemm_problem *problem;
  int shares_a; /* A is packed ahead, or else B */
  int32_t row, row_end, column, column_end, k, depth, depth_step;
  int32_t row_step, column_step;             /* one task: row_step x column_step of C */
  division row_blocks;                       /* of row_step rows; a piece of one has row_last */
  int32_t row_last;
  int32_t pack_panels, pack_groups;          /* one packing task: pack_panels panels of one depth_step */
  float *shared, *own;
  size_t own_size; /* of each thread */
} gemm_part;

/* Where panel p of the block at depth offset k lies in the factor packed ahead. */
INLINE float *shared_panel(const gemm_part *part, int32_t k, int32_t depth, int32_t panel) {
  int32_t width = part->shares_a ? MR : NR, length = part->shares_a ? part->row_end - part->row : part->column_end - part->column;
  return part->shared + (size_t)k * (size_t)(chunks_of(length, width) * width) + (size_t)panel * (size_t)depth * (size_t)width;
}

static void gemm_pack_task(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const gemm_part *part = ctx;
  int32_t k = task / part->pack_groups * part->depth_step, depth = smaller(part->depth_step, part->depth - k);
  int32_t panel = task % part->pack_groups * part->pack_panels;
  float *to = shared_panel(part, k, depth, panel);
  if (part->shares_a) {
    int32_t row = part->row + panel * MR;
    pack_a(to, part->problem->a, row, smaller(part->pack_panels * MR, part->row_end - row), part->k + k, depth);
  } else {
    int32_t column = part->column + panel * NR;
    pack_b(to, part->problem->b, column, smaller(part->pack_panels * NR, part->column_end - column), part->k + k, depth);
  }
}

static void gemm_compute_task(void *ctx, int32_t task, int32_t thread) {
  const gemm_part *part = ctx;
  const gemm_problem *p = part->problem;
  int32_t column_blocks = chunks_of(part->column_end - part->column, part->column_step);
  int32_t piece, block = divided_unit(part->row_blocks, task / column_blocks, &piece);
  int32_t row = part->row + block * part->row_step, row_end = smaller(row + part->row_step, part->row_end);
  if (piece >= 0) row += piece * part->row_last, row_end = smaller(row + part->row_last, row_end);
  int32_t rows = row_end - row;
  if (rows <= 0) return;
  int32_t column = part->column + task % column_blocks * part->column_step, columns = smaller(part->column_step, part->column_end - column);
  float *own = part->own + (size_t)thread * part->own_size;
  /* A panel of A that is used as soon as it is packed never leaves the first-level cache. */
  const int32_t step = KEEPS_A && !part->shares_a && p->a.k_contiguous ? MR : MC;
  for (int32_t k = 0; k < part->depth; k += part->depth_step) {
    int32_t depth = smaller(part->depth_step, part->depth - k);
    int adds = p->accumulate || part->k + k > 0;
    if (part->shares_a) pack_b(own, p->b, column, columns, part->k + k, depth);
    for (int32_t i = row; i < row + rows; i += step) {
      int32_t block = smaller(step, row + rows - i);
      float *c = p->c + (size_t)i * (size_t)p->n + column;
      const float *init = adds ? c : p->bias ? p->bias + column : NULL;
      if (!part->shares_a) pack_a(own, p->a, i, block, part->k + k, depth);
      const float *a = part->shares_a ? shared_panel(part, k, depth, (i - part->row) / MR) : own;
      const float *b = part->shares_a ? own : shared_panel(part, k, depth, (column - part->column) / NR);
      gemm_block(c, (size_t)p->n, init, adds ? (size_t)p->n : 0, a, b, block, columns, depth);
    }
  }
  if (!p->finish || part->k + part->depth < p->k) return;
  for (int32_t i = row; i < row + rows; i++) p->finish(p->context, p->c, (size_t)i * (size_t)p->n + column, columns);
}

static void gemm(gemm_problem problem) {
  if (problem.m == 0 || problem.n == 0) return;
  int32_t threads = thread_count(), wanted = threads > 1 ? TASKS_PER_THREAD * threads : 1;
  gemm_part part = {.problem = &problem};
  /*
   * What packing costs: a factor that tasks pack for themselves stays in their caches, but A is packed once for each block of columns; one
   * packed ahead goes through memory, at two (B) to three and a half times (A, which isn't asked for ahead) as much.
   */
  int32_t column_blocks = larger(1, smaller(chunks_of(wanted, chunks_of(problem.m, MC)), problem.n / NC_MIN));
  int64_t shares_b_cost = 4 * (int64_t)problem.n + 2 * (int64_t)column_blocks * problem.m;
  int64_t shares_a_cost = 2 * (int64_t)problem.n + 7 * (int64_t)problem.m;
  part.shares_a = shares_a_cost < shares_b_cost && problem.n / NC_MIN >= wanted;
  if (part.shares_a) column_blocks = larger(wanted, chunks_of(problem.n, NC_MAX));
  const int32_t width = part.shares_a ? MR : NR, length = part.shares_a ? problem.m : problem.n;
  int32_t step = smaller(length, SHARED_MAX / KC / width * width), padded = chunks_of(step, width) * width;
  /* How the depth is cut decides the order of sums, so that it follows from the depth alone. */
  part.depth_step = larger(1, block_depth(problem.k));
  int32_t depth = smaller(problem.k, SHARED_MAX / padded / part.depth_step * part.depth_step);
  part.own_size = (size_t)(part.shares_a ? NC_MAX : MC) * KC;
  part.own = workspace(((size_t)threads * part.own_size + (size_t)padded * (size_t)depth) * sizeof(float));
  part.shared = part.own + (size_t)threads * part.own_size;

  part.row_end = problem.m, part.column_end = problem.n;
  for (int32_t first = 0; first < length; first += step) {
    int32_t end = first + smaller(step, length - first);
    if (part.shares_a) {
      part.row = first, part.row_end = end;
      part.row_step = end - first;
    } else {
      part.column = first, part.column_end = end;
      part.row_step = chunks_of(chunks_of(problem.m, chunks_of(problem.m, MC)), MR) * MR;
    }
    int32_t row_blocks = chunks_of(part.row_end - part.row, part.row_step);
    part.row_blocks = (division){row_blocks, threads, threads > 1 && row_blocks > 2 * threads ? LAST_PARTS : 1};
    part.row_last = chunks_of(part.row_step, LAST_PARTS * MR) * MR;
    part.column_step = chunks_of(chunks_of(part.column_end - part.column, column_blocks), NR) * NR;
    int32_t tasks = divided_tasks(part.row_blocks) * chunks_of(part.column_end - part.column, part.column_step);
    for (part.k = 0; part.k < problem.k; part.k += depth) {
      part.depth = smaller(depth, problem.k - part.k);
      part.pack_panels = larger(1, PACK_TASK / (width * part.depth_step));
      part.pack_groups = chunks_of(chunks_of(end - first, width), part.pack_panels);
      parallel_for(gemm_pack_task, &part, part.pack_groups * chunks_of(part.depth, part.depth_step));
      parallel_for(gemm_compute_task, &part, tasks);
    }
  }
}
#endif
