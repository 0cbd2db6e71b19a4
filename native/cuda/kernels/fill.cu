// fill: y = value.
#include "cuda/elementwise.cuh"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

namespace {

struct Constant {
  float value;
  __device__ float operator()() const { return value; }
};

}  // namespace

template <typename T>
void fill(float* y, int32_t count, float value) {
  elementwise("fill", Constant{value}, y, count);
}
template decltype(fill<float>) fill<float>;

}  // namespace data2vec::cuda
