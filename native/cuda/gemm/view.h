// How an operand of a product lies in memory: a matrix of rows, or the windows of a convolution, which overlap and reach over the ends.
#ifndef DATA2VEC_CUDA_GEMM_VIEW_H
#define DATA2VEC_CUDA_GEMM_VIEW_H

#include <cstddef>
#include <cstdint>

#include "cuda/launch.h"

namespace data2vec::cuda {

// Division by a number that is not known when compiling, of numbers below 2^31 (Granlund and Montgomery 1994).
struct Divisor {
  uint32_t divisor = 0;  // 0: larger than every number
  uint32_t multiplier = 0;
  uint32_t shift = 0;

  Divisor() = default;
  explicit Divisor(int32_t d) : divisor(static_cast<uint32_t>(d)) {
    while ((uint64_t{1} << shift) < divisor) ++shift;
    multiplier = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1);
  }

  __host__ __device__ void divide(int32_t n, int32_t& quotient, int32_t& rest) const {
    quotient = 0;
    rest = n;
    if (divisor == 0) return;
    const auto number = static_cast<uint32_t>(n);
#if defined(__CUDA_ARCH__)
    const uint32_t high = __umulhi(number, multiplier);
#else
    const auto high = static_cast<uint32_t>((uint64_t{number} * multiplier) >> 32);
#endif
    quotient = static_cast<int32_t>((high + number) >> shift);
    rest = n - quotient * static_cast<int32_t>(divisor);
  }
};

// Where a row or a column begins, and its part of the position in time.
struct Offset {
  int64_t elements;
  int32_t time;
};

/*
 * A stored matrix. Columns lie side by side, except that after each `columnBlock` of them come `columnStep` elements of address; the same of
 * rows, which are `rowStep` apart within a block of `rowBlock`, whose starts are `blockStep` apart. An element exists when its time,
 * timeFirst + (row in its block) * rowTime + (block of its column) * columnTime, lies in [0, times); the others are 0.
 */
struct View {
  void* data = nullptr;
  int64_t batchStep = 0;  // elements from one product of a batch to the next
  Divisor rowBlock, columnBlock;
  int64_t rowStep = 0, blockStep = 0, columnStep = 0;
  int32_t timeFirst = 0, rowTime = 0, columnTime = 0, times = 1;

  __host__ __device__ Offset row(int32_t index) const {
    int32_t block, rest;
    rowBlock.divide(index, block, rest);
    return {block * blockStep + rest * rowStep, timeFirst + rest * rowTime};
  }
  __host__ __device__ Offset column(int32_t index) const {
    int32_t block, rest;
    columnBlock.divide(index, block, rest);
    return {block * columnStep + rest, block * columnTime};
  }
  __host__ __device__ bool has(const Offset& row, const Offset& column) const {
    return static_cast<uint32_t>(row.time + column.time) < static_cast<uint32_t>(times);
  }
  // The elements from one row to the next of a matrix that is nothing but rows; the library of matrix products takes no other.
  bool isMatrix() const { return rowBlock.divisor == 0 && columnBlock.divisor == 0; }
  // Whether every aligned group of `size` elements of a row exists as a whole at an address that is a multiple of its bytes.
  bool hasGroups(int32_t size, size_t elementBytes) const {
    const auto divides = [size](int64_t number) { return number % size == 0; };
    return reinterpret_cast<uintptr_t>(data) % (static_cast<size_t>(size) * elementBytes) == 0 && divides(batchStep) && divides(rowStep) &&
           divides(blockStep) && divides(columnStep) && divides(columnBlock.divisor);
  }
};

// Rows `step` elements apart.
inline View matrix(const void* data, int64_t step) {
  View view;
  view.data = const_cast<void*>(data);
  view.rowStep = step;
  return view;
}

}  // namespace data2vec::cuda

#endif
