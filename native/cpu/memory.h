// A range of address space whose first bytes are memory, more of them as a heap grows; they never move.
#ifndef DATA2VEC_NATIVE_CPU_MEMORY_H
#define DATA2VEC_NATIVE_CPU_MEMORY_H

#include <cstddef>

#include "binder.h"

namespace data2vec {

class ReservedMemory {
 public:
  // Reserves `bytes` of address space, no memory yet. Throws std::bad_alloc when there isn't as much.
  explicit ReservedMemory(size_t bytes);
  ~ReservedMemory();
  ReservedMemory(const ReservedMemory&) = delete;
  ReservedMemory& operator=(const ReservedMemory&) = delete;

  // Makes the first `bytes` usable; false when the system refuses.
  bool commit(size_t bytes);
  // What is usable now.
  const Heap& heap() const { return heap_; }

 private:
  size_t reserved_;
  Heap heap_;
};

}  // namespace data2vec

#endif
