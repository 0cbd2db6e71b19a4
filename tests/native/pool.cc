/* Runs jobs of many sizes on thread pools of several sizes: each task of a job must run once, on a thread that the pool has. */
#include "cpu/pool.h"

#include <cstdio>
#include <vector>

namespace {

constexpr int32_t kTasks = 1000;
constexpr int kJobs = 4000;

struct Job {
  std::vector<int> runs;  // of each task, written by whoever owns it
  int32_t threads;
  bool outside = false;
};

void count(void* context, int32_t task, int32_t thread) {
  Job& job = *static_cast<Job*>(context);
  ++job.runs[static_cast<size_t>(task)];
  if (thread < 0 || thread >= job.threads) job.outside = true;
  for (volatile int32_t work = task % 7 * 20; work > 0; work = work - 1) {
  }
}

}  // namespace

int main() {
  for (const int32_t threads : {1, 2, 3, 8}) {
    data2vec::ThreadPool pool(threads);
    uint32_t random = 1;
    for (int i = 0; i < kJobs; ++i) {
      random = random * 1664525 + 1013904223;
      const auto tasks = static_cast<int32_t>((random >> 16) % (i % 8 == 0 ? kTasks : 30));
      Job job{std::vector<int>(static_cast<size_t>(tasks)), threads};
      pool.run(count, &job, tasks);
      if (job.outside || job.runs != std::vector<int>(static_cast<size_t>(tasks), 1)) {
        std::printf("%d threads, job %d of %d tasks: not each ran once\n", threads, i, tasks);
        return 1;
      }
    }
  }
  std::puts("all jobs ran");
}
