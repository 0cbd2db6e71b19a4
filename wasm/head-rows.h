/*
 * Rows of one head, taken out of rows of all heads, in which they would push each other out of the first-level cache: ROW_STEP columns at a
 * time, each such part with room for `capacity` rows.
 */
#ifndef DATA2VEC_HEAD_ROWS_H
#define DATA2VEC_HEAD_ROWS_H
#include "tile.h"

#define ROWS_AHEAD 8 /* how far ahead rows are asked for that are written */

INLINE size_t head_rows_size(int32_t capacity, int32_t head_dim) {
  return (size_t)chunks_of(head_dim, ROW_STEP) * (size_t)capacity * ROW_STEP;
}
INLINE int32_t vectors_at(int32_t lanes, int32_t lane) { return lanes - lane > VLEN ? 2 : 1; }

/* rows = factor * x, the first of x's rows `step` floats apart, with zeros up to a whole number of vectors. */
NOINLINE void read_head_rows(float *rows, int32_t capacity, const float *x, int32_t step, int32_t count, int32_t head_dim, float factor) {
  for (int32_t part = 0; part < head_dim; part += ROW_STEP, rows += (size_t)capacity * ROW_STEP) {
    const int32_t width = smaller(ROW_STEP, head_dim - part);
    const float *from = x + part;
    float *to = rows;
    for (int32_t i = 0; i < count; i++, from += step, to += ROW_STEP) {
      int32_t d = 0;
      for (; d + VLEN <= width; d += VLEN) vstore(to + d, vmul(vload(from + d), vset1(factor)));
      if (d < width) vstore(to + d, vmul(vload_part(from + d, width - d), vset1(factor)));
    }
  }
}

/* x = rows. What is written is asked for ahead: its rows are too far apart for the processor to do so unasked. */
NOINLINE void write_head_rows(float *x, int32_t step, const float *rows, int32_t capacity, int32_t count, int32_t head_dim) {
  for (int32_t part = 0; part < head_dim; part += ROW_STEP, rows += (size_t)capacity * ROW_STEP) {
    const int32_t width = smaller(ROW_STEP, head_dim - part);
    const float *from = rows;
    float *to = x + part;
    for (int32_t i = 0; i < count; i++, from += ROW_STEP, to += step) {
      const float *ahead = to + ROWS_AHEAD * (size_t)step;
      int32_t d = 0;
      for (; d + VLEN <= width; d += VLEN) {
        __builtin_prefetch(ahead + d, 1);
        vstore(to + d, vload(from + d));
      }
      if (d < width) vstore_part(to + d, vload(from + d), width - d);
    }
  }
}

/* turned[head_dim][ROW_STEP] = the transpose of up to ROW_STEP rows, with zeros up to a whole number of vectors. */
static void turn_head_rows(float *turned, const float *rows, int32_t count, int32_t head_dim) {
  for (int32_t part = 0; part < head_dim; part += ROW_STEP, rows += ROW_STEP * ROW_STEP, turned += ROW_STEP * ROW_STEP)
    transpose(turned, ROW_STEP, rows, ROW_STEP, count, smaller(ROW_STEP, head_dim - part), chunks_of(count, VLEN) * VLEN);
}

/* rows[i] *= factors[i] for up to ROW_STEP rows. */
NOINLINE void scale_head_rows(float *rows, const float *factors, int32_t count, int32_t head_dim) {
  for (int32_t part = 0; part < head_dim; part += ROW_STEP, rows += ROW_STEP * ROW_STEP) {
    int32_t width = smaller(ROW_STEP, head_dim - part);
    for (int32_t i = 0; i < count; i++)
      for (int32_t d = 0; d < width; d += VLEN) vstore(rows + i * ROW_STEP + d, vmul(vload(rows + i * ROW_STEP + d), vset1(factors[i])));
  }
}

/* products[count][lanes] = rows · turned, the sum over head_dim. */
static void multiply_head_rows(float *products, const float *rows, int32_t capacity, const float *turned, int32_t count, int32_t lanes,
                               int32_t head_dim) {
  for (int32_t part = 0; part < head_dim; part += ROW_STEP, rows += (size_t)capacity * ROW_STEP, turned += ROW_STEP * ROW_STEP)
    for (int32_t i = 0; i < lanes; i += TILE_LANES)
      product_rows(products + i, rows, turned + i, smaller(ROW_STEP, head_dim - part), part > 0, count, vectors_at(lanes, i));
}

/* sums (up to ROW_STEP rows) = (accumulate ? sums : 0) + the transpose of weights[count][sum_count] · rows. */
static void add_head_rows(float *sums, const float *weights, const float *rows, int32_t capacity, int32_t sum_count, int32_t count,
                          int32_t head_dim, int32_t accumulate) {
  for (int32_t d = 0; d < head_dim; d += TILE_LANES) {
    size_t part = (size_t)(d / ROW_STEP) * ROW_STEP, at = (size_t)(d % ROW_STEP);
    product_columns(sums + part * ROW_STEP + at, weights, rows + part * (size_t)capacity + at, count, accumulate, sum_count,
                    vectors_at(head_dim, d));
  }
}

/* sums (of any capacity) = (accumulate ? sums : 0) + weights[sum_count][count] · up to ROW_STEP rows. */
static void add_key_rows(float *sums, int32_t capacity, const float *weights, const float *rows, int32_t sum_count, int32_t count,
                         int32_t head_dim, int32_t accumulate) {
  for (int32_t d = 0; d < head_dim; d += TILE_LANES) {
    size_t part = (size_t)(d / ROW_STEP) * ROW_STEP, at = (size_t)(d % ROW_STEP);
    product_rows(sums + part * (size_t)capacity + at, weights, rows + part * ROW_STEP + at, count, accumulate, sum_count,
                 vectors_at(head_dim, d));
  }
}
#endif
