// embedding: rows of a table by id, and the gradient of the table.
#include "cuda/typed-kernels.h"
#include "cuda/segments.cuh"

namespace data2vec::cuda {

namespace {

template <typename T>
struct LookUp {
  T* y;
  const float* table;
  const int32_t* ids;
  int32_t dim;

  __device__ void operator()(int32_t row) const {
    copyRow(y + static_cast<size_t>(row) * dim, table + static_cast<size_t>(ids[row]) * dim, dim);
  }
};

}  // namespace

template <typename T>
void embedding(T* y, const float* table, const int32_t* ids, int32_t rows, int32_t dim) {
  forRows("embedding", rows, LookUp<T>{y, table, ids, dim});
}
DATA2VEC_FOR_EACH_TYPE(embedding)

template <typename T>
void embedding_grad(float* d_table, const T* dy, const int32_t* ids, int32_t rows, int32_t dim, int32_t padding_id) {
  sumSegments<true>("embedding_grad", d_table, dy, ids, rows, dim, padding_id);
}
DATA2VEC_FOR_EACH_TYPE(embedding_grad)

}  // namespace data2vec::cuda
