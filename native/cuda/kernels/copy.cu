// copy: y = x.
#include "cuda/launch.h"
#include "cuda/mirror.h"
#include "cuda/typed-kernels.h"

namespace data2vec::cuda {

template <typename T>
void copy(T* y, const T* x, int32_t count) {
  if (count == 0) return;
  check(cudaMemcpyAsync(y, x, sizeof(T) * static_cast<size_t>(count), cudaMemcpyDeviceToDevice, context().stream), "copy");
  if constexpr (std::is_same_v<T, float>) writeMirror("copy", y, static_cast<size_t>(count));
}
DATA2VEC_FOR_EACH_TYPE(copy)

}  // namespace data2vec::cuda
