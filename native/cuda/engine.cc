#include "cuda/engine.h"

#include <cstdlib>
#include <cstring>

#include "cuda/error.h"
#include "cuda/mirror.h"

namespace data2vec {

using cuda::check;
using cuda::CudaError;

namespace {

// Passes through the host side of an op, which has nothing to clean up, to CudaEngine::invoke.
struct WorkspaceRefused {};

// Page-locked memory costs a call of the system that takes as long as a kernel, so that the small ranges are kept for the next download.
constexpr size_t kLandingLeast = size_t{1} << 16;
constexpr size_t kLandingKept = size_t{64} << 20;

bool isSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::strcmp(value, "1") == 0;
}

}  // namespace

CudaEngine::CudaEngine(int device, size_t reserve, const Options& options, GrowWorkspace grow) : device_(device), grow_(std::move(grow)) {
  precision = options.precision;
  simple = options.simple;
  synchronous_ = isSet("DATA2VEC_CUDA_SYNC");
  try {
    makeCurrent();
    check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device_), "cudaDeviceGetAttribute");
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    memory_ = std::make_unique<DeviceMemory>(device_, reserve);
    staging_ = std::make_unique<Staging>(stream);
  } catch (...) {
    release();
    throw;
  }
}

CudaEngine::~CudaEngine() { release(); }

void CudaEngine::release() {
  cudaSetDevice(device_);
  if (stream != nullptr) cudaStreamSynchronize(stream);
  for (const auto& [number, graph] : graphs_) cudaGraphExecDestroy(graph);
  for (const Landing& landing : landings_) {
    cudaEventDestroy(landing.arrived);
    cudaFreeHost(landing.bytes);
  }
  staging_.reset();
  if (stream != nullptr) cudaStreamDestroy(stream);
  memory_.reset();
}

void CudaEngine::makeCurrent() { check(cudaSetDevice(device_), "cudaSetDevice"); }

void CudaEngine::note(const CudaError& error) {
  if (lost_.empty() && error.isSticky()) lost_ = error.what();
}

template <typename Body>
auto CudaEngine::guarded(Body body) {
  if (!lost_.empty()) throw std::runtime_error("the device is lost since " + lost_);
  try {
    makeCurrent();
    return body();
  } catch (const CudaError& error) {
    note(error);
    throw;
  }
}

void CudaEngine::invoke(void (*call)(void*), void* arguments) {
  guarded([&] {
    cuda::currentContext = this;
    try {
      call(arguments);
    } catch (const WorkspaceRefused&) {
      // The JavaScript exception that says so is pending.
    }
    check(cudaPeekAtLastError(), "launch");
    if (synchronous_ && !capturing_) check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  });
}

bool CudaEngine::commit(size_t bytes) {
  return guarded([&] { return memory_->commit(bytes); });
}

size_t CudaEngine::unused() {
  return guarded([] {
    size_t left = 0, all = 0;
    check(cudaMemGetInfo(&left, &all), "cudaMemGetInfo");
    return left;
  });
}

void* CudaEngine::workspace(size_t bytes) {
  if (bytes > workspaceSize_) {
    workspaceSize_ = 0;
    workspace_ = grow_(bytes);
    if (workspace_ == nullptr) throw WorkspaceRefused();
    workspaceSize_ = bytes;
  }
  return workspace_;
}

void* CudaEngine::mirrorOf(const void* parameter) const {
  const auto* at = static_cast<const char*>(parameter);
  auto found = mirrored_.upper_bound(at);
  if (found == mirrored_.begin()) return nullptr;
  const auto& [start, range] = *--found;
  return at < start + range.bytes ? range.mirror + (at - start) / 2 : nullptr;
}

void CudaEngine::beginMirror(const char* parameters, size_t bytes, char* mirror) { mirrored_[parameters] = {bytes, mirror}; }

void CudaEngine::endMirror(const char* parameters) { mirrored_.erase(parameters); }

void CudaEngine::upload(char* to, const char* from, size_t bytes) {
  if (capturing_) throw std::runtime_error("a step that is captured must not take data from the host");
  guarded([&] {
    staging_->upload(to, from, bytes);
    cuda::currentContext = this;
    cuda::writeMirror("upload", reinterpret_cast<const float*>(to), bytes / sizeof(float));
  });
}

Landing CudaEngine::land(const char* from, size_t bytes) {
  if (capturing_) throw std::runtime_error("a step that is captured must not be read from");
  return guarded([&] {
    Landing landing;
    for (auto kept = landings_.begin(); kept != landings_.end(); ++kept) {
      if (kept->size < bytes) continue;
      landing = *kept;
      landings_.erase(kept);
      break;
    }
    try {
      if (landing.arrived == nullptr) {
        landing.size = bytes > kLandingLeast ? bytes : kLandingLeast;
        check(cudaHostAlloc(reinterpret_cast<void**>(&landing.bytes), landing.size, cudaHostAllocDefault), "cudaHostAlloc for a download");
        check(cudaEventCreateWithFlags(&landing.arrived, cudaEventDisableTiming | cudaEventBlockingSync), "cudaEventCreate");
      }
      if (bytes > 0) check(cudaMemcpyAsync(landing.bytes, from, bytes, cudaMemcpyDeviceToHost, stream), "download");
      check(cudaEventRecord(landing.arrived, stream), "cudaEventRecord");
    } catch (...) {
      if (landing.arrived != nullptr) cudaEventDestroy(landing.arrived);
      if (landing.bytes != nullptr) cudaFreeHost(landing.bytes);
      throw;
    }
    return landing;
  });
}

cudaError_t CudaEngine::await(const Landing& landing) const {
  const cudaError_t status = cudaSetDevice(device_);
  return status == cudaSuccess ? cudaEventSynchronize(landing.arrived) : status;
}

std::string CudaEngine::failure(cudaError_t code) {
  const CudaError error("in the work issued before: " + cuda::describe(code), code);
  note(error);
  return error.what();
}

void CudaEngine::giveBack(const Landing& landing) {
  size_t kept = landing.size;
  for (const Landing& other : landings_) kept += other.size;
  if (kept <= kLandingKept) {
    landings_.push_back(landing);
    return;
  }
  cudaSetDevice(device_);
  cudaEventDestroy(landing.arrived);
  cudaFreeHost(landing.bytes);
}

void CudaEngine::beginCapture() {
  guarded([&] {
    // Relaxed: the heap may grow meanwhile. Nothing else is issued from this process's other threads.
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
    capturing_ = true;
  });
}

uint32_t CudaEngine::endCapture(bool keep) {
  if (!capturing_) throw std::runtime_error("endCapture: nothing is being captured");
  capturing_ = false;
  return guarded([&]() -> uint32_t {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    cudaError_t status = cudaStreamEndCapture(stream, &graph);
    if (status == cudaSuccess && keep) status = cudaGraphInstantiate(&ready, graph, 0);
    if (graph != nullptr) cudaGraphDestroy(graph);
    if (status != cudaSuccess) {
      cudaGetLastError();
      const CudaError error("endCapture: " + cuda::describe(status), status);
      if (error.isSticky()) throw error;
      return 0;
    }
    if (!keep) return 0;
    graphs_[++lastGraph_] = ready;
    return lastGraph_;
  });
}

void CudaEngine::replay(uint32_t graph) {
  guarded([&] {
    const auto found = graphs_.find(graph);
    if (found == graphs_.end()) throw std::runtime_error("replay: there is no captured step " + std::to_string(graph));
    check(cudaGraphLaunch(found->second, stream), "cudaGraphLaunch");
  });
}

void CudaEngine::dropGraph(uint32_t graph) {
  const auto found = graphs_.find(graph);
  if (found == graphs_.end()) return;
  // Destroying a graph that still runs is allowed: the runtime keeps it until it is done.
  cudaGraphExecDestroy(found->second);
  graphs_.erase(found);
}

}  // namespace data2vec
