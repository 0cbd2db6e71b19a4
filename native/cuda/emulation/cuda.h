// CUDA C++ for a plain C++ compiler: the words, types and functions that the kernels use, for launch.h.
#ifndef DATA2VEC_CUDA_EMULATION_CUDA_H
#define DATA2VEC_CUDA_EMULATION_CUDA_H

#include <cmath>
#include <cstdint>
#include <cstring>

#include "cuda/emulation/block.h"
#include "cuda/emulation/runtime.h"

#define __global__ __attribute__((unused)) static
#define __device__ __attribute__((unused))
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __constant__ static const

#define threadIdx (::data2vec::emulation::current->index)
#define blockIdx (::data2vec::emulation::block.index)
#define blockDim (::data2vec::emulation::block.size)
#define gridDim (::data2vec::emulation::block.grid)
constexpr int warpSize = 32;

// ---- vector types ----
#define DATA2VEC_VECTORS(T, name, alignment)                                                          \
  struct name##2 { alignas(2 * sizeof(T)) T x; T y; };                                                 \
  struct name##4 { alignas(alignment) T x; T y, z, w; };                                               \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                           \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
DATA2VEC_VECTORS(float, float, 16)
DATA2VEC_VECTORS(int, int, 16)
DATA2VEC_VECTORS(unsigned, uint, 16)
#undef DATA2VEC_VECTORS

// ---- arithmetic ----
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
using std::isfinite;
using std::isinf;
using std::isnan;

template <typename T>
constexpr T min(T a, T b) { return b < a ? b : a; }
template <typename T>
constexpr T max(T a, T b) { return a < b ? b : a; }

inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>((uint64_t{a} * b) >> 32); }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }

template <typename To, typename From>
To bitsAs(From value) {
  static_assert(sizeof(To) == sizeof(From), "the same number of bits");
  To result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}
inline float __uint_as_float(uint32_t x) { return bitsAs<float>(x); }
inline float __int_as_float(int32_t x) { return bitsAs<float>(x); }
inline uint32_t __float_as_uint(float x) { return bitsAs<uint32_t>(x); }
inline int32_t __float_as_int(float x) { return bitsAs<int32_t>(x); }

// ---- memory ----
template <typename T>
T __ldg(const T* address) { return *address; }
// Whole numbers only: sums of floats in no order are not reproducible.
template <typename T>
T atomicAdd(T* address, T value) {
  static_assert(std::is_integral_v<T>, "atomicAdd of floats has no fixed order");
  const T before = *address;
  *address += value;
  return before;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

// ---- threads of a block and of a warp ----
inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  ::data2vec::emulation::blockBarrier(file, line);
}
inline void __syncwarp(uint32_t mask = 0xffffffffu, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  ::data2vec::emulation::warpBarrier(mask, file, line);
}

namespace data2vec::emulation {

// One lane of an exchange: what it gives, which lane it reads, what it gets.
template <typename T>
struct Shuffle {
  T value;
  int from;
  T result;
};

template <typename T>
T shuffle(uint32_t mask, T value, int from, const char* file, int line) {
  Shuffle<T> lane{value, from, value};
  const auto exchange = [](void* const* lanes) {
    for (int i = 0; i < 32; ++i) {
      if (lanes[i] == nullptr) continue;
      auto* self = static_cast<Shuffle<T>*>(lanes[i]);
      const int from = self->from;
      if (lanes[from] == nullptr) {
        fail("lane " + std::to_string(i) + " reads lane " + std::to_string(from) + ", which takes no part");
      }
      self->result = static_cast<Shuffle<T>*>(lanes[from])->value;
    }
  };
  warpCollective(mask, &lane, exchange, {file, line, "a shuffle"});
  return lane.result;
}

}  // namespace data2vec::emulation

#define DATA2VEC_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()
template <typename T>
T __shfl_sync(uint32_t mask, T value, int lane, int width = 32, DATA2VEC_SITE) {
  const int self = ::data2vec::emulation::laneOf();
  return ::data2vec::emulation::shuffle(mask, value, (self & ~(width - 1)) | (lane & (width - 1)), file, line);
}
template <typename T>
T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32, DATA2VEC_SITE) {
  const int self = ::data2vec::emulation::laneOf(), from = self ^ lanes;
  const bool outside = from >= (self & ~(width - 1)) + width;
  return ::data2vec::emulation::shuffle(mask, value, outside ? self : from, file, line);
}
template <typename T>
T __shfl_down_sync(uint32_t mask, T value, int lanes, int width = 32, DATA2VEC_SITE) {
  const int self = ::data2vec::emulation::laneOf(), from = self + lanes;
  const bool outside = from >= (self & ~(width - 1)) + width;
  return ::data2vec::emulation::shuffle(mask, value, outside ? self : from, file, line);
}
template <typename T>
T __shfl_up_sync(uint32_t mask, T value, int lanes, int width = 32, DATA2VEC_SITE) {
  const int self = ::data2vec::emulation::laneOf(), from = self - lanes;
  const bool outside = from < (self & ~(width - 1));
  return ::data2vec::emulation::shuffle(mask, value, outside ? self : from, file, line);
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate, DATA2VEC_SITE) {
  struct Vote {
    bool yes;
    uint32_t result;
  } vote{predicate != 0, 0};
  const auto count = [](void* const* lanes) {
    uint32_t bits = 0;
    for (int i = 0; i < 32; ++i) bits |= lanes[i] != nullptr && static_cast<Vote*>(lanes[i])->yes ? 1u << i : 0u;
    for (int i = 0; i < 32; ++i) if (lanes[i] != nullptr) static_cast<Vote*>(lanes[i])->result = bits;
  };
  ::data2vec::emulation::warpCollective(mask, &vote, count, {file, line, "a ballot"});
  return vote.result;
}
inline int __any_sync(uint32_t mask, int predicate, DATA2VEC_SITE) { return __ballot_sync(mask, predicate, file, line) != 0; }
inline int __all_sync(uint32_t mask, int predicate, DATA2VEC_SITE) { return __ballot_sync(mask, predicate, file, line) == mask; }
#undef DATA2VEC_SITE

#endif
