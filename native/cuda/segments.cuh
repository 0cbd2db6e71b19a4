// Sums of the rows that share an id, in the order of the rows.
#ifndef DATA2VEC_CUDA_SEGMENTS_CUH
#define DATA2VEC_CUDA_SEGMENTS_CUH

#include "cuda/rows.cuh"
#include "cuda/sort.h"

namespace data2vec::cuda {

constexpr int32_t kSegmentColumns = 128;  // of one warp

// out[id] = (adds ? out[id] : 0) + the sum of the rows of x with that id; a warp takes a piece of the channels of the id that begins at its key.
template <bool adds, typename Out, typename T>
struct SumSegment {
  Out* out;
  const T* x;
  const uint64_t* keys;
  int32_t rows, dim, pieces;

  __device__ void operator()(int32_t number) const {
    const int32_t first = number / pieces, start = number % pieces * kSegmentColumns;
    const uint64_t id = keys[first] >> 32;
    if (keys[first] == kNoKey || (first > 0 && keys[first - 1] >> 32 == id)) return;
    const int32_t end = start + kSegmentColumns < dim ? start + kSegmentColumns : dim;
    for (int32_t c = start + laneId(); c < end; c += 32) {
      Out* to = out + id * static_cast<size_t>(dim) + c;
      float sum = adds ? toFloat(*to) : 0.0f;
      for (int32_t i = first; i < rows && keys[i] >> 32 == id; ++i) sum += toFloat(x[(keys[i] & 0xffffffffu) * static_cast<size_t>(dim) + c]);
      *to = fromFloat<Out>(sum);
    }
  }
};

template <bool adds, typename Out, typename T>
void sumSegments(const char* op, Out* out, const T* x, const int32_t* ids, int32_t rows, int32_t dim, int32_t without) {
  if (rows == 0 || dim == 0) return;
  const uint64_t* keys = sortedKeys(op, ids, rows, without);
  const int32_t pieces = piecesOf(dim, kSegmentColumns);
  forRows(op, rows * pieces, SumSegment<adds, Out, T>{out, x, keys, rows, dim, pieces});
}

}  // namespace data2vec::cuda

#endif
