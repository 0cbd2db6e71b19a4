// A bitonic sort (Batcher 1968, "Sorting networks and their applications"): which keys are compared follows from their number alone.
#include "cuda/sort.h"

#include "cuda/grid.h"
#include "cuda/launch.h"

namespace data2vec::cuda {

namespace {

// Keys that a block sorts in shared memory.
constexpr int32_t kSpan = 2048;

__global__ void makeKeysKernel(uint64_t* keys, const int32_t* ids, int32_t rows, int32_t count, int32_t without) {
  const size_t row = threadNumber();
  if (row >= static_cast<size_t>(count)) return;
  const int32_t id = row < static_cast<size_t>(rows) ? ids[row] : -1;
  keys[row] = id < 0 || id == without ? kNoKey : static_cast<uint64_t>(id) << 32 | row;
}

// The lower element of comparison `pair` at distance `distance`, a power of two.
__host__ __device__ inline int32_t lowerOf(int32_t pair, int32_t distance) {
  return (pair & ~(distance - 1)) << 1 | (pair & (distance - 1));
}

__device__ inline void order(uint64_t& low, uint64_t& high, bool ascending) {
  if ((low > high) != ascending) return;
  const uint64_t swap = low;
  low = high;
  high = swap;
}

// All steps of distances below kSpan for runs of `from`, 2 * from, ... `to` keys, which one block does for its span.
__global__ void sortSpansKernel(uint64_t* keys, int32_t from, int32_t to) {
  SHARED(span, uint64_t[kSpan]);
  const int32_t start = static_cast<int32_t>(blockIdx.x) * kSpan, thread = static_cast<int32_t>(threadIdx.x);
  for (int32_t i = thread; i < kSpan; i += kThreads) span[i] = keys[start + i];
  __syncthreads();
  for (int32_t run = from; run <= to; run *= 2) {
    for (int32_t distance = run / 2 < kSpan ? run / 2 : kSpan / 2; distance > 0; distance /= 2) {
      for (int32_t pair = thread; pair < kSpan / 2; pair += kThreads) {
        const int32_t i = lowerOf(pair, distance);
        order(span[i], span[i + distance], ((start + i) & run) == 0);
      }
      __syncthreads();
    }
  }
  for (int32_t i = thread; i < kSpan; i += kThreads) keys[start + i] = span[i];
}

__global__ void sortStepKernel(uint64_t* keys, int32_t pairs, int32_t run, int32_t distance) {
  const int32_t pair = static_cast<int32_t>(threadNumber());
  if (pair >= pairs) return;
  const int32_t i = lowerOf(pair, distance);
  order(keys[i], keys[i + distance], (i & run) == 0);
}

}  // namespace

const uint64_t* sortedKeys(const char* op, const int32_t* ids, int32_t rows, int32_t without) {
  int32_t count = kSpan;
  while (count < rows) count *= 2;
  uint64_t* keys = workspace<uint64_t>(static_cast<size_t>(count));
  launch(op, makeKeysKernel, piecesOf(count, kThreads), kThreads, 0, keys, ids, rows, count, without);
  launch(op, sortSpansKernel, count / kSpan, kThreads, 0, keys, 2, kSpan);
  for (int32_t run = 2 * kSpan; run <= count; run *= 2) {
    for (int32_t distance = run / 2; distance >= kSpan; distance /= 2) {
      launch(op, sortStepKernel, piecesOf(count / 2, kThreads), kThreads, 0, keys, count / 2, run, distance);
    }
    launch(op, sortSpansKernel, count / kSpan, kThreads, 0, keys, run, run);
  }
  return keys;
}

}  // namespace data2vec::cuda
