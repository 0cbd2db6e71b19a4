#include "cpu/pool.h"

namespace data2vec {

namespace {

// Pauses of an idle thread before it sleeps: some 30 µs.
constexpr int kSpins = 1000;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

constexpr uint64_t range(uint64_t first, uint64_t end) { return end << 32 | first; }

}  // namespace

ThreadPool::ThreadPool(int32_t threads) : threads_(threads), ranges_(new Range[static_cast<size_t>(threads)]) {
  workers_.reserve(static_cast<size_t>(threads));
  try {
    for (int32_t thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    ++job_;
  }
  jobPosted_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::runTasks(int32_t thread) {
  int32_t done = 0;
  for (int32_t i = 0; i < threads_; ++i) {
    std::atomic<uint64_t>& unclaimed = ranges_[(thread + i) % threads_].unclaimed;
    uint64_t left = unclaimed;
    for (;;) {
      const auto first = static_cast<uint32_t>(left), end = static_cast<uint32_t>(left >> 32);
      if (first >= end) break;
      if (!unclaimed.compare_exchange_weak(left, i == 0 ? range(first + 1, end) : range(first, end - 1))) continue;
      task_(context_, static_cast<int32_t>(i == 0 ? first : end - 1), thread);
      ++done;
      left = unclaimed;
    }
  }
  if (done > 0 && (pending_ -= done) == 0 && callerSleeps_) {
    { const std::lock_guard<std::mutex> lock(mutex_); }
    jobDone_.notify_one();
  }
}

void ThreadPool::run(Task task, void* context, int32_t tasks) {
  if (tasks <= 1 || workers_.empty()) {
    for (int32_t i = 0; i < tasks; ++i) task(context, i, 0);
    return;
  }
  task_ = task;
  context_ = context;
  callerSleeps_ = false;
  pending_ = tasks;
  const auto count = static_cast<uint64_t>(tasks), shares = static_cast<uint64_t>(threads_);
  for (uint64_t i = 0; i < shares; ++i) ranges_[i].unclaimed = range(count * i / shares, count * (i + 1) / shares);
  ++job_;
  if (sleepers_ > 0) {
    // Whoever counts as a sleeper holds the lock until it waits or sees this job.
    { const std::lock_guard<std::mutex> lock(mutex_); }
    if (tasks == 2) jobPosted_.notify_one();
    else jobPosted_.notify_all();
  }
  runTasks(0);
  for (int spins = kSpins; pending_ != 0 && spins > 0; --spins) pause();
  if (pending_ == 0) return;
  std::unique_lock<std::mutex> lock(mutex_);
  callerSleeps_ = true;
  jobDone_.wait(lock, [this] { return pending_ == 0; });
}

void ThreadPool::work(int32_t thread) {
  for (;;) {
    const uint32_t job = job_;
    if (stopping_) return;
    runTasks(thread);
    for (int spins = kSpins; job_ == job && spins > 0; --spins) pause();
    if (job_ != job) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleepers_;
    jobPosted_.wait(lock, [this, job] { return job_ != job; });
    --sleepers_;
  }
}

}  // namespace data2vec
