// The threads of one native engine: what parallel_for of wasm/parallel.h runs on.
#ifndef DATA2VEC_NATIVE_CPU_POOL_H
#define DATA2VEC_NATIVE_CPU_POOL_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace data2vec {

// Workers that live as long as the pool, spin briefly for the next job and then sleep. Each thread, the caller too, computes a range of a job's
// tasks, the same part of it in every job, so that it finds in its caches what it wrote before; then it takes over the last tasks of others.
class ThreadPool {
 public:
  using Task = void (*)(void* context, int32_t task, int32_t thread);

  // `threads` compute, the caller included. Throws std::system_error when one can't be started.
  explicit ThreadPool(int32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t threads() const { return threads_; }
  // Calls task(context, i, thread) once for each i in [0, tasks); returns when all are done. One caller at a time, no nesting.
  void run(Task task, void* context, int32_t tasks);

 private:
  // The tasks of a thread's range that nobody has claimed yet: the first in the lower half, the end in the upper one.
  struct alignas(64) Range {
    std::atomic<uint64_t> unclaimed{0};
  };

  void work(int32_t thread);
  void runTasks(int32_t thread);
  void stop();

  // Only the thread that takes a task out of a range owns it, and a job can't end while one is owned: so the job's fields are stable then.
  const int32_t threads_;
  const std::unique_ptr<Range[]> ranges_;  // of each thread
  alignas(64) std::atomic<int32_t> pending_{0};  // tasks not done yet
  alignas(64) std::atomic<uint32_t> job_{0};     // changes with each job
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> callerSleeps_{false};
  std::atomic<bool> stopping_{false};
  alignas(64) Task task_ = nullptr;
  void* context_ = nullptr;
  std::mutex mutex_;
  std::condition_variable jobPosted_, jobDone_;
  std::vector<std::thread> workers_;
};

}  // namespace data2vec

#endif
