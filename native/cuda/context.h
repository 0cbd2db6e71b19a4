// What a kernel's host side may ask of the engine that runs it: kernels are called with numbers alone.
#ifndef DATA2VEC_CUDA_CONTEXT_H
#define DATA2VEC_CUDA_CONTEXT_H

#include <cstddef>

#include "cuda/platform.h"

namespace data2vec::cuda {

// How products of float32 are computed: in full, or from operands of 10 bits of mantissa.
enum class Precision { f32, tf32 };

class Context {
 public:
  virtual ~Context() = default;
  // Device scratch of at least as many bytes, 256-byte aligned, for the op that runs now; contents are not retained, and a second call
  // takes the place of the first. Throws when there is no room.
  virtual void* workspace(size_t bytes) = 0;
  // The bf16 mirror of a parameter, which lies in it as the parameter does in what was mirrored; nullptr of what has none.
  virtual void* mirrorOf(const void* parameter) const = 0;

  cudaStream_t stream = nullptr;
  Precision precision = Precision::f32;
  // The simple kernels in place of the tuned ones (DATA2VEC_CUDA_SIMPLE=1).
  bool simple = false;
  int multiprocessors = 1;
};

// The context of the engine whose kernel this thread runs; set by the engine around each call.
inline thread_local Context* currentContext = nullptr;
inline Context& context() { return *currentContext; }

}  // namespace data2vec::cuda

#endif
