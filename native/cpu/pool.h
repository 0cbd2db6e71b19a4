// The threads of one native engine: what parallel_for of wasm/parallel.h runs on.
#ifndef DATA2VEC_NATIVE_CPU_POOL_H
#define DATA2VEC_NATIVE_CPU_POOL_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace data2vec {

// Workers that live as long as the pool, spin briefly for the next job and then sleep. Tasks are claimed from one counter, by the caller too.
class ThreadPool {
 public:
  using Task = void (*)(void* context, int32_t task, int32_t thread);

  // `threads` compute, the caller included. Throws std::system_error when one can't be started.
  explicit ThreadPool(int32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t threads() const { return static_cast<int32_t>(workers_.size()) + 1; }
  // Calls task(context, i, thread) once for each i in [0, tasks); returns when all are done. One caller at a time, no nesting.
  void run(Task task, void* context, int32_t tasks);

 private:
  void work(int32_t thread);
  void runTasks(int32_t thread);
  void stop();

  // Only the thread that decrements `remaining_` owns a task, and a job can't end while one is owned: so the job's fields are stable then.
  alignas(64) std::atomic<int32_t> remaining_{0};  // tasks nobody has claimed yet
  alignas(64) std::atomic<int32_t> pending_{0};    // tasks not done yet
  alignas(64) std::atomic<uint32_t> job_{0};       // changes with each job
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> callerSleeps_{false};
  std::atomic<bool> stopping_{false};
  alignas(64) Task task_ = nullptr;
  void* context_ = nullptr;
  int32_t tasks_ = 0;
  std::mutex mutex_;
  std::condition_variable jobPosted_, jobDone_;
  std::vector<std::thread> workers_;
};

}  // namespace data2vec

#endif
