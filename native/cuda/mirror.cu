#include "cuda/mirror.h"

#include "cuda/elementwise.cuh"

namespace data2vec::cuda {

namespace {

struct Round {
  __device__ float operator()(float value) const { return value; }
};

}  // namespace

void writeMirror(const char* op, const float* values, size_t count) {
  auto* mirror = static_cast<bf16*>(context().mirrorOf(values));
  if (mirror != nullptr) elementwise(op, Round{}, mirror, static_cast<int32_t>(count), values);
}

}  // namespace data2vec::cuda
