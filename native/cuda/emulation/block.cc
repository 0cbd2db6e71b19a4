#include "cuda/emulation/block.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>

#include "cuda/emulation/fiber.h"

namespace data2vec::emulation {

__thread Thread* current = nullptr;
__thread Block block{};

namespace {

constexpr size_t kMaxThreads = 1024;
constexpr size_t kMaxStaticShared = 48 * 1024;
// Of GPUs from 8.0 up the least that a block may have.
constexpr size_t kMaxShared = 99 * 1024;
constexpr size_t kMemory = kMaxShared + kMaxStaticShared + 64 * 1024;  // with room for guards and alignment
constexpr size_t kGuard = 64;
constexpr unsigned char kUndefined = 0xff;  // a NaN in f32 and bf16
constexpr unsigned char kGuardByte = 0xa5;

struct SharedRange {
  const void* site;
  size_t offset, bytes;
};

// Everything of the grid that this thread runs.
struct Machine {
  std::vector<Thread> threads;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
  std::unique_ptr<unsigned char[]> memory{new unsigned char[kMemory]};
  unsigned char* shared = nullptr;  // `memory`, aligned
  std::vector<SharedRange> ranges;
  size_t sharedUsed = 0;
  size_t dynamicBytes = 0;
  uint32_t atWarpOperation[kMaxThreads / 32] = {};  // the waiting lanes of each warp
  int atBarrier = 0;
  int done = 0;
  uint64_t turn = 0;
  void (*body)(const void*) = nullptr;
  const void* context = nullptr;
  std::string failure;
};

thread_local Machine* machine = nullptr;

std::string siteName(const Site& site) {
  const char* slash = std::strrchr(site.file, '/');
  return std::string(site.operation) + " at " + (slash == nullptr ? site.file : slash + 1) + ":" + std::to_string(site.line);
}

// One file has several names in memory, one for each source that includes it; comparing addresses first spares most comparisons.
bool samePlace(const Site& a, const Site& b) { return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0); }

// The life of a fiber: one thread after another.
void fiberMain() {
  for (;;) {
    machine->body(machine->context);
    current->state = State::done;
    current->copies.clear();
    ++machine->done;
    current->fiber->leave();
  }
}

Fiber* takeFiber() {
  Machine& m = *machine;
  if (m.idle.empty()) {
    m.fibers.push_back(std::make_unique<Fiber>(fiberMain));
    m.idle.push_back(m.fibers.back().get());
  }
  Fiber* fiber = m.idle.back();
  m.idle.pop_back();
  return fiber;
}

// Lets a thread run until it waits, ends or fails.
void resume(Thread& thread) {
  if (thread.fiber == nullptr) thread.fiber = takeFiber();
  current = &thread;
  thread.fiber->enter();
  if (thread.state != State::done) return;
  machine->idle.push_back(thread.fiber);
  thread.fiber = nullptr;
}

void wait(State state, const Site& site) {
  current->state = state;
  current->site = site;
  current->fiber->leave();
}

// Runs the threads of a warp until each has ended or waits for the block; false when no thread could run. Lanes take turns in either
// direction, so that a missing barrier doesn't go unnoticed because lanes happen to run in order.
bool runWarp(int first, int last) {
  Machine& m = *machine;
  bool ran = false;
  for (bool again = true; again && m.failure.empty();) {
    again = false;
    m.turn = m.turn * 6364136223846793005u + 1442695040888963407u;
    const bool backwards = (m.turn >> 40 & 1) != 0;
    for (int i = first; i < last && m.failure.empty(); ++i) {
      Thread& thread = m.threads[static_cast<size_t>(backwards ? last - 1 - (i - first) : i)];
      if (thread.state != State::ready) continue;
      again = ran = true;
      resume(thread);
    }
  }
  return ran;
}

// Says who waits where when nobody can go on.
std::string stuck() {
  const Machine& m = *machine;
  const auto waiting = std::find_if(m.threads.begin(), m.threads.end(), [](const Thread& t) {
    return t.state == State::atBlockBarrier || t.state == State::atWarpOperation;
  });
  int same = 0;
  for (const Thread& t : m.threads) same += t.state == waiting->state && t.site.line == waiting->site.line;
  const auto other = std::find_if(m.threads.begin(), m.threads.end(), [&](const Thread& t) {
    return t.state != waiting->state || t.site.line != waiting->site.line;
  });
  std::string text = std::to_string(same) + " of " + std::to_string(m.threads.size()) + " threads wait for ever for ";
  text += siteName(waiting->site);
  if (other != m.threads.end()) {
    text += "; thread " + std::to_string(other->id) + (other->state == State::done ? " has ended" : " waits for " + siteName(other->site));
  }
  return text;
}

void checkGuards() {
  const Machine& m = *machine;
  for (const SharedRange& range : m.ranges) {
    const unsigned char* guard = m.shared + range.offset + range.bytes;
    if (std::any_of(guard, guard + kGuard, [](unsigned char byte) { return byte != kGuardByte; })) {
      machine->failure = "shared memory was written beyond its " + std::to_string(range.bytes) + " bytes";
    }
  }
}

size_t addRange(const void* site, size_t bytes, size_t alignment) {
  Machine& m = *machine;
  const size_t offset = (m.sharedUsed + alignment - 1) / alignment * alignment;
  std::memset(m.shared + offset, kUndefined, bytes);
  std::memset(m.shared + offset + bytes, kGuardByte, kGuard);
  m.ranges.push_back({site, offset, bytes});
  m.sharedUsed = offset + bytes + kGuard;
  return offset;
}

void runBlock() {
  Machine& m = *machine;
  int id = 0;
  for (Thread& thread : m.threads) {
    thread.index = {static_cast<unsigned>(id) % block.size.x, static_cast<unsigned>(id) / block.size.x % block.size.y,
                    static_cast<unsigned>(id) / (block.size.x * block.size.y)};
    thread.id = id++;
    thread.state = State::ready;
    thread.group = 0;
  }
  m.atBarrier = m.done = 0;
  std::fill(std::begin(m.atWarpOperation), std::end(m.atWarpOperation), 0u);
  m.ranges.clear();
  m.sharedUsed = 0;
  addRange(nullptr, m.dynamicBytes, 128);
  const int threads = static_cast<int>(m.threads.size());
  while (m.done < threads && m.failure.empty()) {
    bool ran = false;
    for (int first = 0; first < threads && m.failure.empty(); first += 32) ran |= runWarp(first, std::min(first + 32, threads));
    if (!ran && m.failure.empty()) m.failure = stuck();
  }
  if (m.failure.empty()) checkGuards();
}

}  // namespace

void fail(const std::string& reason) {
  machine->failure = reason;
  current->fiber->leave();
  __builtin_unreachable();
}

void blockBarrier(const char* file, int line) {
  Machine& m = *machine;
  const Site site{file, line, "__syncthreads"};
  if (++m.atBarrier < static_cast<int>(m.threads.size())) return wait(State::atBlockBarrier, site);
  for (const Thread& thread : m.threads) {
    if (&thread != current && !samePlace(thread.site, site)) {
      fail("thread " + std::to_string(current->id) + " is at " + siteName(site) + " while thread " + std::to_string(thread.id) + " is at " +
           siteName(thread.site));
    }
  }
  m.atBarrier = 0;
  for (Thread& thread : m.threads) thread.state = State::ready;
}

void warpCollective(uint32_t mask, void* operands, void (*operation)(void* const* lanes), Site site) {
  Machine& m = *machine;
  const int warp = current->id / 32, lane = current->id % 32;
  Thread* const threads = &m.threads[static_cast<size_t>(warp) * 32];
  const size_t missing = static_cast<size_t>(warp + 1) * 32 - std::min(static_cast<size_t>(warp + 1) * 32, m.threads.size());
  if ((mask >> lane & 1) == 0) fail("thread " + std::to_string(current->id) + " is not in the mask of " + siteName(site));
  if ((mask & ~(0xffffffffu >> missing)) != 0) fail("the mask of " + siteName(site) + " names a lane that the block doesn't have");
  current->operands = operands;
  current->mask = mask;
  uint32_t& waiting = m.atWarpOperation[warp];
  waiting |= 1u << lane;
  if ((mask & ~waiting) != 0) return wait(State::atWarpOperation, site);
  void* lanes[32] = {};
  for (int i = 0; i < 32; ++i) {
    if ((mask >> i & 1) == 0) continue;
    const Thread& other = threads[i];
    if (i != lane && (other.mask != mask || !samePlace(other.site, site))) {
      fail("thread " + std::to_string(current->id) + " is at " + siteName(site) + " while thread " + std::to_string(other.id) +
           " of its warp is at " + siteName(other.site));
    }
    lanes[i] = other.operands;
  }
  if (operation != nullptr) operation(lanes);
  for (int i = 0; i < 32; ++i) if ((mask >> i & 1) != 0) threads[i].state = State::ready;
  waiting &= ~mask;
}

void warpBarrier(uint32_t mask, const char* file, int line) {
  // A last warp that is not full has fewer lanes, which the default mask names all the same.
  const int lanes = static_cast<int>(machine->threads.size()) - current->id / 32 * 32;
  warpCollective(mask & (lanes < 32 ? (1u << lanes) - 1 : 0xffffffffu), current, nullptr, {file, line, "__syncwarp"});
}

void* staticShared(const void* site, size_t bytes, size_t alignment) {
  Machine& m = *machine;
  for (const SharedRange& range : m.ranges) if (range.site == site) return m.shared + range.offset;
  size_t used = bytes;
  for (const SharedRange& range : m.ranges) used += range.site == nullptr ? 0 : range.bytes;
  if (used > kMaxStaticShared) fail("static shared memory: expected at most 49152 bytes, got " + std::to_string(used));
  return m.shared + addRange(site, bytes, std::max(alignment, size_t{16}));
}

void* dynamicShared() { return machine->shared; }

void copyAsync(void* to, const void* from, int bytes, int copied) {
  const auto misaligned = [bytes](const void* address) { return reinterpret_cast<uintptr_t>(address) % static_cast<unsigned>(bytes) != 0; };
  if (misaligned(to) || (copied > 0 && misaligned(from))) {
    fail("an asynchronous copy of " + std::to_string(bytes) + " bytes is not aligned to them");
  }
  const auto* shared = machine->shared;
  if (to < shared || static_cast<unsigned char*>(to) + bytes > shared + machine->sharedUsed) fail("an asynchronous copy leaves shared memory");
  current->copies.push_back({to, from, bytes, copied, current->group});
}

void commitCopies() { ++current->group; }

void waitForCopies(int groups) {
  std::vector<PendingCopy>& copies = current->copies;
  const int open = current->group - groups;
  auto kept = copies.begin();
  for (const PendingCopy& copy : copies) {
    if (copy.group >= open) {
      *kept++ = copy;
      continue;
    }
    if (copy.copied > 0) std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.copied));
    std::memset(static_cast<char*>(copy.to) + copy.copied, 0, static_cast<size_t>(copy.bytes - copy.copied));
  }
  copies.erase(kept, copies.end());
}

bool runGrid(dim3 grid, dim3 size, size_t sharedBytes, void (*body)(const void*), const void* context, std::string& reason) {
  static thread_local std::unique_ptr<Machine> own;
  if (own == nullptr) own = std::make_unique<Machine>();
  machine = own.get();
  Machine& m = *machine;
  const size_t threads = size_t{size.x} * size.y * size.z;
  const bool empty = threads == 0 || size_t{grid.x} * grid.y * grid.z == 0;
  if (empty || threads > kMaxThreads || size.z > 64 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    reason = "cudaErrorInvalidConfiguration";
    return false;
  }
  if (sharedBytes > kMaxShared) {
    reason = "cudaErrorInvalidValue: more shared memory than a block can have";
    return false;
  }
  void* aligned = m.memory.get();
  size_t space = kMemory;
  m.shared = static_cast<unsigned char*>(std::align(1024, kMaxShared, aligned, space));
  m.threads.resize(threads);
  m.dynamicBytes = sharedBytes;
  m.body = body;
  m.context = context;
  m.failure.clear();
  block.size = size;
  block.grid = grid;
  for (unsigned z = 0; z < grid.z && m.failure.empty(); ++z) {
    for (unsigned y = 0; y < grid.y && m.failure.empty(); ++y) {
      for (unsigned x = 0; x < grid.x && m.failure.empty(); ++x) {
        block.index = {x, y, z};
        runBlock();
      }
    }
  }
  if (m.failure.empty()) return true;
  const uint3 at = block.index;
  reason = m.failure + " in block (" + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z) + ")";
  // The stacks of threads that never ended are of no more use.
  m.threads.clear();
  m.idle.clear();
  m.fibers.clear();
  return false;
}

}  // namespace data2vec::emulation
