// Stacks that a thread can switch between.
#ifndef DATA2VEC_CUDA_EMULATION_FIBER_H
#define DATA2VEC_CUDA_EMULATION_FIBER_H

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace data2vec::emulation {

// A stack of its own on which `entry` runs, which must never return. Below the stack lies a page that can't be touched.
struct Fiber {
  explicit Fiber(void (*entry)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Leaves the calling stack until leave() is called on this one.
  void enter();
  // Goes back to where enter() was called.
  void leave();

 private:
  char* memory_;
#if defined(__x86_64__)
  void* inside_;
  void* outside_ = nullptr;
#else
  ucontext_t inside_, outside_;
#endif
};

}  // namespace data2vec::emulation

#endif
