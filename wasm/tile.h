/*
 * Small matrix products from registers: up to 6 rows by 2 vectors, the shape that fills 16 vector registers, or 12 by 2 where there are 32.
 *
 *   c[r][lane] = (accumulate ? c[r][lane] : 0) + sum over k of a(r, k) * b[k][lane]
 *
 * product_columns reads a(r, k) = a[k][r], product_rows a[r][k]. The rows of all matrices are ROW_STEP floats apart.
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
#if VLEN == 16 || defined(__aarch64__)
#define TALL_ROWS 12
#endif
#define TILE_LANES (2 * VLEN)
#define ROW_STEP 64

INLINE void tile_product(float *c, const float *a, const float *b, int32_t k, int32_t accumulate, const int rows, const int vectors,
                         const int a_row, const int a_step) {
  vf sum[12][2];
#pragma GCC unroll 12
  for (int r = 0; r < rows; r++) {
    sum[r][0] = accumulate ? vload(c + r * ROW_STEP) : vzero();
    sum[r][1] = vectors > 1 && accumulate ? vload(c + r * ROW_STEP + VLEN) : vzero();
  }
  RELOAD(a, b);
  for (; k > 0; --k) {
    vf b0 = vload(b), b1 = vectors > 1 ? vload(b + VLEN) : b0;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
      vf factor = vset1(a[r * a_row]);
      if (vectors > 1) sum[r][1] = vfma(factor, b1, sum[r][1]);
      sum[r][0] = vfma(factor, b0, sum[r][0]);
      KEEP_ORDER(sum[r][1], sum[r][0]);
    }
    a += a_step;
    b += ROW_STEP;
    KEEP_ORDER(a, b);
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; r++) {
    KEEP_ORDER(sum[r][0], sum[r][1]);
    vstore(c + r * ROW_STEP, sum[r][0]);
    if (vectors > 1) vstore(c + r * ROW_STEP + VLEN, sum[r][1]);
  }
}

#define DEFINE_KIND(kind, height, vectors, a_row, a_step)                                                                            \
  NOINLINE void kind##_##height##_##vectors(float *c, const float *a, const float *b, int32_t k, int32_t accumulate) {               \
    tile_product(c, a, b, k, accumulate, height, vectors, a_row, a_step);                                                            \
  }
#define DEFINE_TILE(height, vectors)                                                                                                 \
  DEFINE_KIND(columns, height, vectors, 1, ROW_STEP)                                                                                 \
  DEFINE_KIND(rows, height, vectors, ROW_STEP, 1)
DEFINE_TILE(1, 1) DEFINE_TILE(2, 1) DEFINE_TILE(3, 1) DEFINE_TILE(4, 1) DEFINE_TILE(5, 1) DEFINE_TILE(6, 1)
DEFINE_TILE(1, 2) DEFINE_TILE(2, 2) DEFINE_TILE(3, 2) DEFINE_TILE(4, 2) DEFINE_TILE(5, 2) DEFINE_TILE(6, 2)
#ifdef TALL_ROWS
DEFINE_TILE(12, 1) DEFINE_TILE(12, 2)
#define TALL_TILES(kind, a_row)                                                                                                      \
  for (; rows >= TALL_ROWS; rows -= TALL_ROWS, a += TALL_ROWS * (a_row), c += TALL_ROWS * ROW_STEP) {                                \
    if (vectors > 1) kind##_12_2(c, a, b, k, accumulate);                                                                            \
    else kind##_12_1(c, a, b, k, accumulate);                                                                                        \
  }
#else
#define TALL_TILES(kind, a_row)
#endif
#undef DEFINE_TILE
#undef DEFINE_KIND

#define TILE_CASES(kind, vectors)                                                                                                    \
  switch (smaller(rows, TILE_ROWS)) {                                                                                                \
    case 1: kind##_1_##vectors(c, a, b, k, accumulate); break;                                                                       \
    case 2: kind##_2_##vectors(c, a, b, k, accumulate); break;                                                                       \
    case 3: kind##_3_##vectors(c, a, b, k, accumulate); break;                                                                       \
    case 4: kind##_4_##vectors(c, a, b, k, accumulate); break;                                                                       \
    case 5: kind##_5_##vectors(c, a, b, k, accumulate); break;                                                                       \
    case 6: kind##_6_##vectors(c, a, b, k, accumulate);                                                                              \
  }
#define DEFINE_PRODUCT(kind, a_row)                                                                                                  \
  /* Any number of rows, 1 or 2 vectors of lanes. */                                                                                 \
  static void product_##kind(float *c, const float *a, const float *b, int32_t k, int32_t accumulate, int32_t rows, int32_t vectors) { \
    TALL_TILES(kind, a_row)                                                                                                          \
    for (; rows > 0; rows -= TILE_ROWS, a += TILE_ROWS * (a_row), c += TILE_ROWS * ROW_STEP) {                                       \
      if (vectors > 1) TILE_CASES(kind, 2)                                                                                           \
      else TILE_CASES(kind, 1)                                                                                                       \
    }                                                                                                                                \
  }
DEFINE_PRODUCT(columns, 1)
DEFINE_PRODUCT(rows, ROW_STEP)
#undef DEFINE_PRODUCT
#undef TALL_TILES
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
