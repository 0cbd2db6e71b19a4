#include "cpu/engine.h"

namespace data2vec {

namespace {

// Passes through the frames of a C kernel, which have nothing to clean up, to CpuEngine::invoke.
struct WorkspaceRefused {};

// The engine whose kernel this thread runs; kernels are called with numbers alone.
thread_local CpuEngine* current = nullptr;

}  // namespace

void CpuEngine::invoke(void (*call)(void*), void* arguments) {
  current = this;
  try {
    call(arguments);
  } catch (const WorkspaceRefused&) {
    // The JavaScript exception that says so is pending.
  }
}

void* CpuEngine::workspace(size_t bytes) {
  if (bytes > workspaceSize_) {
    workspaceSize_ = 0;
    workspace_ = grow_(bytes);
    if (workspace_ == nullptr) throw WorkspaceRefused();
    workspaceSize_ = bytes;
  }
  return workspace_;
}

}  // namespace data2vec

// What wasm/parallel.h asks of a native build.
extern "C" {
int32_t data2vec_threads() { return data2vec::current->pool().threads(); }
void data2vec_parallel_for(data2vec::ThreadPool::Task task, void* context, int32_t tasks) {
  data2vec::current->pool().run(task, context, tasks);
}
void* data2vec_workspace(size_t bytes) { return data2vec::current->workspace(bytes); }
}
