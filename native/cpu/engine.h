// One open native CPU engine: memory, threads, and the kernels of one instruction set.
#ifndef DATA2VEC_NATIVE_CPU_ENGINE_H
#define DATA2VEC_NATIVE_CPU_ENGINE_H

#include <functional>

#include "binder.h"
#include "cpu/instruction-sets.h"
#include "cpu/memory.h"
#include "cpu/pool.h"

namespace data2vec {

class CpuEngine : public KernelHost {
 public:
  // Returns the address of at least as many bytes of the heap as asked for, in place of what it returned before; or nullptr when there is no
  // room, with a JavaScript exception pending.
  using GrowWorkspace = std::function<void*(size_t bytes)>;

  // Throws std::bad_alloc or std::system_error when the system has no address space or no threads left.
  CpuEngine(const InstructionSet& set, int32_t threads, size_t reserve, GrowWorkspace grow)
      : set_(set), memory_(reserve), pool_(threads), grow_(std::move(grow)) {}

  const Heap& heap() const override { return memory_.heap(); }
  void invoke(void (*call)(void*), void* arguments) override;
  bool commit(size_t bytes) { return memory_.commit(bytes); }
  const data2vec_kernel_table& kernels() const { return *set_.kernels; }
  ThreadPool& pool() { return pool_; }

  // Scratch of the kernel that runs now; throws WorkspaceRefused when there is no room.
  void* workspace(size_t bytes);

 private:
  InstructionSet set_;
  ReservedMemory memory_;
  ThreadPool pool_;
  GrowWorkspace grow_;
  void* workspace_ = nullptr;
  size_t workspaceSize_ = 0;
};

}  // namespace data2vec

#endif
