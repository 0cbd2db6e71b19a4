// fill: y = value.
#include "cuda/elementwise.cuh"
#include "cuda/mirror.h"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

struct Constant {
  float value;
  __device__ float operator()() const { return value; }
};

}  // namespace

template <typename T>
void fill(T* y, int32_t count, float value) {
  elementwise("fill", Constant{value}, y, count);
  if constexpr (std::is_same_v<T, float>) writeMirror("fill", y, static_cast<size_t>(count));
}
DATA2VEC_FOR_EACH_TYPE(fill)

}  // namespace data2vec::cuda
