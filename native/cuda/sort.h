// Row numbers in the order of the rows' ids.
#ifndef DATA2VEC_CUDA_SORT_H
#define DATA2VEC_CUDA_SORT_H

#include <cstdint>

namespace data2vec::cuda {

// What a row without an id has for a key; such rows come last.
constexpr uint64_t kNoKey = ~uint64_t{0};

// Keys `id << 32 | row` of the rows with an id of at least 0 other than `without`, in ascending order, and kNoKey behind them; they lie in the
// workspace. Rows of one id are in order.
const uint64_t* sortedKeys(const char* op, const int32_t* ids, int32_t rows, int32_t without);

}  // namespace data2vec::cuda

#endif
