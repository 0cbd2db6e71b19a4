#include "cuda/kernel-table.h"

#include <type_traits>

#include "cuda/typed-kernels.h"

namespace data2vec {

namespace cuda {

// These know no activations.
#define DATA2VEC_FOR_STATE(name) \
  template <typename T>          \
  constexpr decltype(&::name) name = ::name;
DATA2VEC_FOR_STATE(relative_bias)
DATA2VEC_FOR_STATE(relative_bias_grad)
DATA2VEC_FOR_STATE(clip_scale)
DATA2VEC_FOR_STATE(adamw)
DATA2VEC_FOR_STATE(ema)
#undef DATA2VEC_FOR_STATE

}  // namespace cuda

namespace {

template <typename To, typename From>
To passed(From argument) {
  if constexpr (std::is_pointer_v<To>) return reinterpret_cast<To>(argument);
  else return argument;
}

// A kernel with pointers to activations of its own type as a function of kernels.h.
template <auto kernel, typename Own = decltype(kernel)>
struct Adapted;
template <auto kernel, typename... Own>
struct Adapted<kernel, void (*)(Own...)> {
  template <typename... Public>
  static void call(Public... arguments) {
    kernel(passed<Own>(arguments)...);
  }
};

template <typename T>
constexpr CudaKernels kTable = {
#define DATA2VEC_ENTRY(name) Adapted<+cuda::name<T>>::call,
    DATA2VEC_KERNELS(DATA2VEC_ENTRY)
#undef DATA2VEC_ENTRY
};

}  // namespace

const CudaKernels cudaKernelsF32 = kTable<float>, cudaKernelsBf16 = kTable<cuda::bf16>;

}  // namespace data2vec
