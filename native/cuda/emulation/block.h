// Runs the blocks of a kernel one after another on the calling thread, the threads of a block as fibers that yield at barriers.
#ifndef DATA2VEC_CUDA_EMULATION_BLOCK_H
#define DATA2VEC_CUDA_EMULATION_BLOCK_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace data2vec::emulation {

// Where a thread waits, for messages.
struct Site {
  const char* file;
  int line;
  const char* operation;
};

// An asynchronous copy to shared memory that has not been waited for.
struct PendingCopy {
  void* to;
  const void* from;
  int bytes, copied;  // beyond `copied` come zeros
  int group;
};

enum class State { ready, atBlockBarrier, atWarpOperation, done };

struct Fiber;

struct Thread {
  uint3 index{};
  int id = 0;
  State state = State::done;
  Fiber* fiber = nullptr;
  Site site{};               // where it waits
  uint32_t mask = 0;         // the lanes that it waits with
  void* operands = nullptr;  // its part of the operation that its warp waits for
  std::vector<PendingCopy> copies;
  int group = 0;
};

// What blockIdx, blockDim and gridDim name.
struct Block {
  uint3 index;
  dim3 size, grid;
};

// One emulation per thread of the process; fibers never change thread.
extern __thread Thread* current;
extern __thread Block block;

inline int laneOf() { return current->id % 32; }

// Ends the kernel with an error that the launch reports; called by device code, it doesn't return.
[[noreturn]] void fail(const std::string& reason);

// Waits for all threads of the block. That one of them never comes is an error.
void blockBarrier(const char* file, int line);
// Waits for the lanes of `mask`; the last one calls operation(operands of each lane, null for those outside of the mask), then all go on.
void warpCollective(uint32_t mask, void* operands, void (*operation)(void* const* lanes), Site site);
void warpBarrier(uint32_t mask, const char* file, int line);

// The block's memory for the variable of one place in the code; the same for all threads, NaN at first, guarded at its end.
void* staticShared(const void* site, size_t bytes, size_t alignment);
void* dynamicShared();

void copyAsync(void* to, const void* from, int bytes, int copied);
void commitCopies();
// Carries out all but the last `groups` groups of this thread's copies.
void waitForCopies(int groups);

// Runs body() for every thread of every block; false with a reason when that can't be done, or went wrong.
bool runGrid(dim3 grid, dim3 block, size_t sharedBytes, void (*body)(const void*), const void* context, std::string& reason);

template <typename Body>
bool runGrid(dim3 grid, dim3 block, size_t sharedBytes, const Body& body, std::string& reason) {
  return runGrid(grid, block, sharedBytes, [](const void* context) { (*static_cast<const Body*>(context))(); }, &body, reason);
}

}  // namespace data2vec::emulation

#endif
