#include "cuda/emulation/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace data2vec::emulation {

namespace {

constexpr size_t kStack = 64 * 1024;
constexpr size_t kPage = 4096;

}  // namespace

#if defined(__x86_64__)
// What a function must keep by the System V convention goes on the old stack and comes from the new one; swapcontext would call the system.
extern "C" void data2vec_switch_stack(void** save, void* load);
asm(R"(
.text
.type data2vec_switch_stack, @function
.hidden data2vec_switch_stack
.globl data2vec_switch_stack
data2vec_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size data2vec_switch_stack, .-data2vec_switch_stack
)");
#endif

Fiber::Fiber(void (*entry)()) {
  void* memory = mmap(nullptr, kStack + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  mprotect(memory_, kPage, PROT_NONE);
#if defined(__x86_64__)
  // Six registers, the address that the first switch returns to, and one word that aligns the stack as a call would.
  void** top = reinterpret_cast<void**>(memory_ + kPage + kStack) - 8;
  for (int i = 0; i < 8; ++i) top[i] = nullptr;
  top[6] = reinterpret_cast<void*>(entry);
  inside_ = top;
#else
  getcontext(&inside_);
  inside_.uc_stack.ss_sp = memory_ + kPage;
  inside_.uc_stack.ss_size = kStack;
  inside_.uc_link = nullptr;
  makecontext(&inside_, entry, 0);
#endif
}

Fiber::~Fiber() { munmap(memory_, kStack + kPage); }

#if defined(__x86_64__)
void Fiber::enter() { data2vec_switch_stack(&outside_, inside_); }
void Fiber::leave() { data2vec_switch_stack(&inside_, outside_); }
#else
void Fiber::enter() { swapcontext(&outside_, &inside_); }
void Fiber::leave() { swapcontext(&inside_, &outside_); }
#endif

}  // namespace data2vec::emulation
