// One open CUDA engine: a device, its memory, its streams and its captured steps.
#ifndef DATA2VEC_NATIVE_CUDA_ENGINE_H
#define DATA2VEC_NATIVE_CUDA_ENGINE_H

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "binder.h"
#include "cuda/context.h"
#include "cuda/error.h"
#include "cuda/staging.h"
#if defined(DATA2VEC_WITH_CUDA)
#include "cuda/memory.h"
#else
#include "cuda/emulation/memory.h"
#endif

namespace data2vec {

// Page-locked memory that a download passes through, and the moment from which its bytes are there.
struct Landing {
  char* bytes = nullptr;
  size_t size = 0;
  cudaEvent_t arrived = nullptr;
};

class CudaEngine : public KernelHost, public cuda::Context {
 public:
  // Returns the address of at least as many bytes of the heap as asked for, in place of what it returned before; or nullptr when there is no
  // room, with a JavaScript exception pending.
  using GrowWorkspace = std::function<void*(size_t bytes)>;

  struct Options {
    cuda::Precision precision = cuda::Precision::f32;
    // The plain kernels in place of the tuned ones.
    bool simple = false;
  };

  // Throws CudaError, or std::runtime_error when the driver is too old.
  CudaEngine(int device, size_t reserve, const Options& options, GrowWorkspace grow);
  // Waits for the work that is under way.
  ~CudaEngine() override;

  const Heap& heap() const override { return memory_->heap(); }
  // Both throw CudaError when the call fails, and "the device is lost" after one that nothing can follow.
  void invoke(void (*call)(void*), void* arguments) override;
  bool commit(size_t bytes);
  // Bytes of the device that nobody uses, this process or another.
  size_t unused();
  void* workspace(size_t bytes) override;
  void* mirrorOf(const void* parameter) const override;

  // From here on `mirror` holds the `bytes` of parameters from `parameters` on in bf16: whatever kernel or upload writes them writes it.
  void beginMirror(const char* parameters, size_t bytes, char* mirror);
  void endMirror(const char* parameters);

  void upload(char* to, const char* from, size_t bytes);
  // Copies what all work issued so far makes of `bytes` from `from` on; they have landed when `arrived` is over. Give it back after that.
  Landing land(const char* from, size_t bytes);
  // Waits on any thread until a landing has arrived.
  cudaError_t await(const Landing& landing) const;
  // Says what went wrong with a landing, and remembers it where nothing can follow it.
  std::string failure(cudaError_t code);
  void giveBack(const Landing& landing);

  // Work between the two is recorded and not done; endCapture gives its number, or 0 when it couldn't be captured (`keep` false: dropped).
  void beginCapture();
  uint32_t endCapture(bool keep);
  void replay(uint32_t graph);
  void dropGraph(uint32_t graph);

 private:
  void makeCurrent();
  // Remembers what makes the device unusable.
  void note(const cuda::CudaError& error);
  // Runs `body` for this device, and notes what fails in it.
  template <typename Body>
  auto guarded(Body body);
  void release();

  int device_;
  GrowWorkspace grow_;
  std::unique_ptr<DeviceMemory> memory_;
  std::unique_ptr<Staging> staging_;
  struct Mirrored {
    size_t bytes;
    char* mirror;
  };
  std::map<const char*, Mirrored> mirrored_;
  std::vector<Landing> landings_;
  std::map<uint32_t, cudaGraphExec_t> graphs_;
  uint32_t lastGraph_ = 0;
  bool capturing_ = false, synchronous_ = false;
  void* workspace_ = nullptr;
  size_t workspaceSize_ = 0;
  std::string lost_;
};

}  // namespace data2vec

#endif
