// add: y = a + b.
#include "cuda/elementwise.cuh"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
};

}  // namespace

template <typename T>
void add(T* y, const T* a, const T* b, int32_t count) {
  elementwise("add", Sum{}, y, count, a, b);
}
DATA2VEC_FOR_EACH_TYPE(add)

}  // namespace data2vec::cuda
