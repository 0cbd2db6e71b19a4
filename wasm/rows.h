/* How kernels over rows share them out, and sums over rows that come out the same for any number of threads. */
#ifndef DATA2VEC_ROWS_H
#define DATA2VEC_ROWS_H
#include "math.h"
#include "parallel.h"
#include "simd.h"

/* How far ahead a kernel asks for what it writes, where its sums keep the processor's queue of stores full of their own. */
#define STORE_AHEAD 128

/* Rows of one task: some 16,384 elements, but never so few that there are more than 64 tasks. */
INLINE int32_t rows_per_task(int32_t rows, int32_t dim) { return larger(chunks_of(rows, 64), chunks_of(16384, larger(dim, 1))); }

/* y = x; short rows in place, since a bulk copy costs a call out of the module. */
INLINE void copy_row(float *y, const float *x, int32_t dim) {
  if (dim > 256) {
    __builtin_memcpy(y, x, (size_t)dim * sizeof(float));
    return;
  }
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) vstore(y + c, vload(x + c));
  for (; c < dim; c++) y[c] = x[c];
}
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
/* The sum of a[c] * b[c]. */
NOINLINE float dot_rows(const float *a, const float *b, int32_t dim) {
  vf sum = vzero();
  int32_t c = 0;
  for (; c + VLEN <= dim; c += VLEN) sum = vfma(vload(a + c), vload(b + c), sum);
  if (c < dim) sum = vfma(vload_part(a + c, dim - c), vload_part(b + c, dim - c), sum);
  return vsum(sum);
}

/* The sum of (x - shift)^power over a row, power 1 or 2. */
INLINE float row_moment(const float *x, int32_t dim, float shift, const int power) {
  vf sums[4] = {vzero(), vzero(), vzero(), vzero()}, s = vset1(shift);
  int32_t c = 0;
  for (; c + 4 * VLEN <= dim; c += 4 * VLEN) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
      vf d = vsub(vload(x + c + v * VLEN), s);
      sums[v] = power == 2 ? vfma(d, d, sums[v]) : vadd(sums[v], d);
    }
  }
  for (; c + VLEN <= dim; c += VLEN) {
    vf d = vsub(vload(x + c), s);
    sums[0] = power == 2 ? vfma(d, d, sums[0]) : vadd(sums[0], d);
  }
  float sum = vsum(vadd(vadd(sums[0], sums[1]), vadd(sums[2], sums[3])));
  for (; c < dim; c++) {
    float d = x[c] - shift;
    sum += power == 2 ? d * d : d;
  }
  return sum;
}

/* Mean and 1 / sqrt(biased variance + eps) of a row, in two passes; the first is taken about the row's first element. */
NOINLINE void row_statistics(const float *x, int32_t dim, float eps, float *mean, float *rstd) {
  float m = x[0] + row_moment(x, dim, x[0], 1) / (float)dim;
  *mean = m;
  *rstd = 1.0f / sqrt1(row_moment(x, dim, m, 2) / (float)dim + eps);
}
#endif
