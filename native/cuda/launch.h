// The only way to launch a kernel, and the words of device code that differ between nvcc and the emulation.
//
// Every .cu file compiles twice: by nvcc for a GPU, and by a C++ compiler against emulation/, where the threads of a block are fibers. So
// device code uses SHARED and DYNAMIC_SHARED in place of __shared__, the functions of mma.h in place of PTX, and bf16.h in place of
// cuda_bf16.h; device functions in headers are inline.
#ifndef DATA2VEC_CUDA_LAUNCH_H
#define DATA2VEC_CUDA_LAUNCH_H

#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/context.h"
#include "cuda/error.h"

namespace data2vec::cuda {

// Lets an array type be named in front of the variable.
template <typename T>
using Same = T;

}  // namespace data2vec::cuda

#if defined(__CUDACC__)
// SHARED(tile, float[32][33]): memory of the block of a size known when compiling, undefined at first.
#define SHARED(name, ...) __shared__ ::data2vec::cuda::Same<__VA_ARGS__> name
// DYNAMIC_SHARED(data, float): the memory of the block that the launch asked for, 128-byte aligned, undefined at first.
#define DYNAMIC_SHARED(name, type)                                  \
  extern __shared__ __align__(128) unsigned char dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(dynamic_shared)
#else
#define SHARED(name, ...)                                                                                              \
  static const char name##_site = 0;                                                                                   \
  auto& name = *static_cast<std::remove_reference_t<__VA_ARGS__>*>(                                                    \
      ::data2vec::emulation::staticShared(&name##_site, sizeof(__VA_ARGS__), alignof(std::remove_all_extents_t<__VA_ARGS__>)))
#define DYNAMIC_SHARED(name, type) type* name = static_cast<type*>(::data2vec::emulation::dynamicShared())
#endif

namespace data2vec::cuda {

inline std::string nameOf(dim3 size) {
  return std::to_string(size.x) + "x" + std::to_string(size.y) + "x" + std::to_string(size.z);
}

inline void listArguments(std::ostream&) {}
template <typename First, typename... Rest>
void listArguments(std::ostream& out, const First& first, const Rest&... rest) {
  if constexpr (std::is_arithmetic_v<First>) out << ' ' << first;
  if constexpr (std::is_pointer_v<First>) out << (first == nullptr ? " null" : " *");
  listArguments(out, rest...);
}

#if defined(__CUDACC__)
template <typename Values, size_t... I>
cudaError_t launchWith(const void* kernel, dim3 grid, dim3 block, size_t sharedBytes, Values& values, std::index_sequence<I...>) {
  void* pointers[] = {&std::get<I>(values)..., nullptr};
  // More than this must be asked for.
  if (sharedBytes > 48 * 1024) {
    const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(sharedBytes));
    if (error != cudaSuccess) return error;
  }
  return cudaLaunchKernel(kernel, grid, block, pointers, sharedBytes, context().stream);
}
#endif

template <typename... Arguments>
[[noreturn]] void refuse(const char* op, const std::string& reason, cudaError_t code, dim3 grid, dim3 block, size_t sharedBytes,
                         const Arguments&... arguments) {
  std::ostringstream message;
  message << op << ": " << reason << " (grid " << nameOf(grid) << ", block " << nameOf(block) << ", " << sharedBytes
          << " bytes of shared memory; arguments";
  listArguments(message, arguments...);
  message << ")";
  throw CudaError(message.str(), code);
}

// Runs `kernel` on the stream of the current context. `op` is for messages. Throws CudaError when it can't be launched; what goes wrong
// while it runs is reported by a later call, under emulation by this one.
template <typename... Parameters, typename... Arguments>
void launch(const char* op, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t sharedBytes, Arguments... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "a kernel is launched with all of its arguments");
  std::tuple<Parameters...> values{static_cast<Parameters>(arguments)...};
#if defined(__CUDACC__)
  const cudaError_t error = launchWith(reinterpret_cast<const void*>(kernel), grid, block, sharedBytes, values,
                                       std::index_sequence_for<Parameters...>{});
  if (error == cudaSuccess) return;
  cudaGetLastError();
  refuse(op, describe(error), error, grid, block, sharedBytes, arguments...);
#else
  emulation::issue(context().stream, [=] {
    std::string reason;
    const auto body = [&] { std::apply(kernel, values); };
    if (!emulation::runGrid(grid, block, sharedBytes, body, reason)) refuse(op, reason, cudaSuccess, grid, block, sharedBytes, arguments...);
  });
#endif
}

}  // namespace data2vec::cuda

#endif
