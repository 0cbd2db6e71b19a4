// What a kernel's host side may ask of the engine that runs it: kernels are called with numbers alone.
#ifndef DATA2VEC_CUDA_CONTEXT_H
#define DATA2VEC_CUDA_CONTEXT_H

#include <cstddef>

#include "cuda/platform.h"

namespace data2vec::cuda {

// How products are computed: f32 in full, tf32 with operands of 10 bits of mantissa, bf16 with activations and weights in bf16.
enum class Precision { f32, tf32, bf16 };

class Context {
 public:
  virtual ~Context() = default;
  // Device scratch of at least as many bytes, 256-byte aligned, for the op that runs now; contents are not retained, and a second call
  // takes the place of the first. Throws when there is no room.
  virtual void* workspace(size_t bytes) = 0;

  cudaStream_t stream = nullptr;
  Precision precision = Precision::f32;
  // The simple kernels in place of the tuned ones (DATA2VEC_CUDA_SIMPLE=1).
  bool simple = false;
  int multiprocessors = 1;
  // With bf16, the element at byte offset o from heapBase has its mirror at byte offset o / 2 from mirrorBase.
  const char* heapBase = nullptr;
  const char* mirrorBase = nullptr;
};

// The context of the engine whose kernel this thread runs; set by the engine around each call.
inline thread_local Context* currentContext = nullptr;
inline Context& context() { return *currentContext; }

}  // namespace data2vec::cuda

#endif
