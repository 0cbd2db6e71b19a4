/* How kernels over rows share them out, and sums over rows that come out the same for any number of threads. */
#ifndef DATA2VEC_ROWS_H
#define DATA2VEC_ROWS_H
#include "parallel.h"
#include "simd.h"

/* Rows of one task: some 16,384 elements, but never so few that there are more than 64 tasks. */
INLINE int32_t rows_per_task(int32_t rows, int32_t dim) { return larger(chunks_of(rows, 64), chunks_of(16384, larger(dim, 1))); }

INLINE void copy_row(float *y, const float *x, int32_t dim) { __builtin_memcpy(y, x, (size_t)dim * sizeof(float)); }
INLINE void zero_row(float *y, int32_t dim) { __builtin_memset(y, 0, (size_t)dim * sizeof(float)); }

/* y += x */
INLINE void add_row(float *y, const float *x, int32_t dim) {
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) vstore(y + c, vadd(vload(y + c), vload(x + c)));
  for (; c < dim; c++) y[c] += x[c];
}

/* sum += the rows of partials[tasks][dim], in order; the rows are used up. */
INLINE void add_partials(float *sum, float *partials, int32_t tasks, int32_t dim) {
  for (int32_t task = 1; task < tasks; task++) add_row(partials, partials + (size_t)task * dim, dim);
  if (tasks > 0) add_row(sum, partials, dim);
}
#endif
