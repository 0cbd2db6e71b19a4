// The addon cuda-emulated.node, for tests alone: the CUDA engine and its kernels over memory of the host.
#include <napi.h>

#include "cuda/emulation/runtime.h"
#include "cuda/open.h"

namespace {

// failNext(code): the next call of the runtime that may fail does so.
void failNext(const Napi::CallbackInfo& info) {
  data2vec::emulation::failNext(static_cast<cudaError_t>(info[0].As<Napi::Number>().Int32Value()));
}

// refuseMemory(): the device has no memory for the next allocation.
void refuseMemory(const Napi::CallbackInfo&) { data2vec::emulation::refuseMemory(); }

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["kernelsHash"] = DATA2VEC_KERNELS_HASH;
  exports["openCuda"] = Napi::Function::New<data2vec::openCuda>(env, "openCuda");
  exports["failNext"] = Napi::Function::New<failNext>(env, "failNext");
  exports["refuseMemory"] = Napi::Function::New<refuseMemory>(env, "refuseMemory");
  return exports;
}

}  // namespace

NODE_API_MODULE(cuda_emulated, init)
