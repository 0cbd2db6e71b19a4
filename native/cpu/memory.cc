#include "cpu/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace data2vec {

namespace {

// Grown in steps of a few large pages, so that most allocations cost no call of the system.
constexpr size_t kStep = size_t{64} << 20;

size_t roundUp(size_t bytes) { return (bytes + kStep - 1) / kStep * kStep; }

}  // namespace

ReservedMemory::ReservedMemory(size_t bytes) : reserved_(roundUp(bytes)), heap_{nullptr, 0} {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  void* base = mmap(nullptr, reserved_, PROT_NONE, flags, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // Large matrices touch many pages; without large ones the product loses to misses of the address cache. A system that has none ignores it.
  madvise(base, reserved_, MADV_HUGEPAGE);
#endif
  heap_.base = static_cast<char*>(base);
}

ReservedMemory::~ReservedMemory() { munmap(heap_.base, reserved_); }

bool ReservedMemory::commit(size_t bytes) {
  if (bytes <= heap_.size) return true;
  if (bytes > reserved_) return false;
  const size_t end = std::min(roundUp(bytes), reserved_);
  if (mprotect(heap_.base + heap_.size, end - heap_.size, PROT_READ | PROT_WRITE) != 0) return false;
  heap_.size = end;
  return true;
}

}  // namespace data2vec
