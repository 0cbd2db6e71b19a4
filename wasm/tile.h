/*
 * Small matrix products from registers: up to 6 rows by 2 vectors, the shape that fills 16 vector registers.
 *
 *   c[r][lane] = (accumulate ? c[r][lane] : 0) + sum over k of a(r, k) * b[k][lane]
 *
 * product_columns reads a(r, k) = a[k * a_step + r]; product_rows reads a(r, k) = a[r * ROW_STEP + k].
 */
#ifndef DATA2VEC_TILE_H
#define DATA2VEC_TILE_H
#include "parallel.h"
#include "simd.h"

/* Without fused multiply-add each product needs a register of its own, and a sixth row would spill. */
#ifdef FUSED
#define TILE_ROWS 6
#else
#define TILE_ROWS 5
#endif
#define TILE_LANES (2 * VLEN)
#define ROW_STEP 64

/*
 * Hides two values from LLVM's reordering: V8 spills its registers unless each row's load stands right before its multiply-adds, and wants
 * the offsets of loads in the instructions (see gemm.h).
 */
#ifdef __wasm__
#define PIN(x, y) __asm__ volatile("" : "+r"(x), "+r"(y)::"memory")
#else
#define PIN(x, y)
#endif

typedef struct {
  float *c;
  const float *a, *b;
  int32_t c_step, a_step, b_step, k, accumulate;
} product;

INLINE void tile_product(const product *p, const int rows, const int vectors, const int32_t a_row, const int32_t a_step) {
  const float *a = p->a, *b = p->b;
  const int32_t b_step = p->b_step, c_step = p->c_step;
  float *c = p->c;
  vf sum[6][2];
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) {
    sum[r][0] = p->accumulate ? vload(c + r * c_step) : vzero();
    sum[r][1] = vectors > 1 && p->accumulate ? vload(c + r * c_step + VLEN) : vzero();
  }
  for (int32_t k = p->k; k > 0; --k) {
    vf b0 = vload(b), b1 = vectors > 1 ? vload(b + VLEN) : b0;
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
      vf factor = vset1(a[r * a_row]);
      if (vectors > 1) sum[r][1] = vfma(factor, b1, sum[r][1]);
      sum[r][0] = vfma(factor, b0, sum[r][0]);
      PIN(sum[r][1], sum[r][0]);
    }
    a += a_step;
    b += b_step;
    PIN(a, b);
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; r++) {
    vstore(c + r * c_step, sum[r][0]);
    if (vectors > 1) vstore(c + r * c_step + VLEN, sum[r][1]);
  }
}

#define DEFINE_TILE(rows, vectors)                                                                                                   \
  NOINLINE void columns_##rows##_##vectors(const product *p) { tile_product(p, rows, vectors, 1, p->a_step); }                       \
  NOINLINE void rows_##rows##_##vectors(const product *p) { tile_product(p, rows, vectors, ROW_STEP, 1); }
DEFINE_TILE(1, 1) DEFINE_TILE(2, 1) DEFINE_TILE(3, 1) DEFINE_TILE(4, 1) DEFINE_TILE(5, 1) DEFINE_TILE(6, 1)
DEFINE_TILE(1, 2) DEFINE_TILE(2, 2) DEFINE_TILE(3, 2) DEFINE_TILE(4, 2) DEFINE_TILE(5, 2) DEFINE_TILE(6, 2)
#undef DEFINE_TILE

#define TILE_CASES(kind, vectors)                                                                                                    \
  switch (smaller(rows, TILE_ROWS)) {                                                                                                \
    case 1: kind##_1_##vectors(&p); break;                                                                                           \
    case 2: kind##_2_##vectors(&p); break;                                                                                           \
    case 3: kind##_3_##vectors(&p); break;                                                                                           \
    case 4: kind##_4_##vectors(&p); break;                                                                                           \
    case 5: kind##_5_##vectors(&p); break;                                                                                           \
    case 6: kind##_6_##vectors(&p);                                                                                                  \
  }

/* Any number of rows, 1 or 2 vectors of lanes. */
static void product_columns(product p, int32_t rows, int32_t vectors) {
  for (; rows > 0; rows -= TILE_ROWS) {
    if (vectors > 1) TILE_CASES(columns, 2)
    else TILE_CASES(columns, 1)
    p.a += TILE_ROWS;
    p.c += TILE_ROWS * p.c_step;
  }
}
static void product_rows(product p, int32_t rows, int32_t vectors) {
  for (; rows > 0; rows -= TILE_ROWS) {
    if (vectors > 1) TILE_CASES(rows, 2)
    else TILE_CASES(rows, 1)
    p.a += TILE_ROWS * ROW_STEP;
    p.c += TILE_ROWS * p.c_step;
  }
}
#undef TILE_CASES

/* A square of transpose of which only some rows and columns exist; writes `lanes` of each column. */
INLINE void transpose_part(float *y, int32_t y_step, const float *x, int32_t x_step, int32_t rows, int32_t columns, int32_t lanes) {
  vf square[VLEN];
  for (int32_t i = 0; i < VLEN; i++) square[i] = i < rows ? vload_upto(x + (size_t)i * x_step, columns) : vzero();
  vtranspose(square);
  for (int32_t i = 0; i < VLEN && i < columns; i++) vstore_upto(y + (size_t)i * y_step, square[i], lanes);
}

/* y[c * y_step + r] = x[r * x_step + c] for r < rows, c < columns, and 0 for r in rows .. padded_rows - 1. */
NOINLINE void transpose(float *y, int32_t y_step, const float *x, int32_t x_step, int32_t rows, int32_t columns, int32_t padded_rows) {
  for (int32_t r = 0; r < larger(rows, padded_rows); r += VLEN) {
    const float *from = x + (size_t)r * x_step;
    int32_t valid = smaller(VLEN, rows - r), lanes = smaller(VLEN, larger(rows, padded_rows) - r), c = 0;
    for (; valid == VLEN && c + VLEN <= columns; c += VLEN) {
      vf square[VLEN];
      for (int32_t i = 0; i < VLEN; i++) square[i] = vload(from + (size_t)i * x_step + c);
      vtranspose(square);
      for (int32_t i = 0; i < VLEN; i++) vstore(y + (size_t)(c + i) * y_step + r, square[i]);
    }
    /* Of a few lanes, only masked stores make a square worth it. */
    for (; (VLEN == 16 || (VLEN == 8 && lanes == VLEN)) && c < columns; c += VLEN)
      transpose_part(y + (size_t)c * y_step + r, y_step, from + c, x_step, valid, smaller(VLEN, columns - c), lanes);
    for (; c < columns; c++)
      for (int32_t i = 0; i < lanes; i++) y[(size_t)c * y_step + r + i] = i < valid ? from[(size_t)i * x_step + c] : 0;
  }
}
#endif
